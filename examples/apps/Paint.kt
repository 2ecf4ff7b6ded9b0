// Paint a bitmap in Kotlin on Android: implementation("com.microsoft.onnxruntime:onnxruntime-android:1.20.0") or newer.
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A style file, such as assets.open("wave.onnx").readBytes(); keep the painter for all photos. */
class Painter(style: ByteArray) : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(style)

    fun paint(photo: Bitmap): Bitmap {
        val (width, height) = photo.width to photo.height
        val pixels = IntArray(width * height) // 0xAARRGGBB
        photo.getPixels(pixels, 0, width, 0, 0, width, height)
        val rgb = ByteBuffer.allocateDirect(3 * pixels.size).order(ByteOrder.nativeOrder())
        for (pixel in pixels) rgb.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
        rgb.rewind()
        val shape = longArrayOf(1, height.toLong(), width.toLong(), 3)
        OnnxTensor.createTensor(environment, rgb, shape, OnnxJavaType.UINT8).use { image ->
            session.run(mapOf("image" to image)).use { results ->
                val painted = (results["stylized"].get() as OnnxTensor).byteBuffer
                for (at in pixels.indices) {
                    val (red, green, blue) = List(3) { painted.get().toInt() and 0xFF }
                    pixels[at] = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
                }
            }
        }
        return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
    }

    override fun close() = session.close()
}
