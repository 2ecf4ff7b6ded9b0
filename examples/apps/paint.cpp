// Paint a photo in C++: paint wave.onnx photo.ppm painted.ppm
// g++ -std=c++17 paint.cpp -I onnxruntime/include -L onnxruntime/lib -lonnxruntime -o paint
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "paint MODEL.onnx PHOTO.ppm PAINTED.ppm\n";
    return 2;
  }
  // A binary PPM: three bytes a pixel, RGB. `magick photo.jpg photo.ppm` makes one.
  std::ifstream photo(arguments[2], std::ios::binary);
  std::string kind;
  int64_t width = 0, height = 0, most = 0;
  photo >> kind >> width >> height >> most;
  photo.get();
  if (kind != "P6" || most != 255 || width < 1 || height < 1) {
    std::cerr << arguments[2] << " is no binary PPM with 8 bits\n";
    return 2;
  }
  std::vector<uint8_t> pixels(width * height * 3);
  photo.read(reinterpret_cast<char*>(pixels.data()), pixels.size());

  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "paint");
  Ort::Session session(environment, arguments[1], Ort::SessionOptions{});  // on Windows the path is a wchar_t*
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const int64_t shape[] = {1, height, width, 3};
  auto image = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4);
  const char* inputs[] = {"image"};
  const char* outputs[] = {"stylized"};
  auto results = session.Run(Ort::RunOptions{nullptr}, inputs, &image, 1, outputs, 1);

  std::ofstream painted(arguments[3], std::ios::binary);
  painted << "P6\n" << width << ' ' << height << "\n255\n";
  painted.write(reinterpret_cast<const char*>(results[0].GetTensorData<uint8_t>()), pixels.size());
}
