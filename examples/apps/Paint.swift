// Paint pixels in Swift, with the package onnxruntime-swift-package-manager (product "onnxruntime").
import Foundation
import OnnxRuntimeBindings

final class Painter {
    private let environment: ORTEnv
    private let session: ORTSession

    /// Opens a style file; keep the painter for all photos.
    init(style: URL) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: style.path, sessionOptions: nil)
    }

    /// Paints RGB pixels, three bytes each, row by row; returns as many.
    func paint(rgb: Data, width: Int, height: Int) throws -> Data {
        let shape = [1, height, width, 3].map { NSNumber(value: $0) }
        let image = try ORTValue(tensorData: NSMutableData(data: rgb), elementType: .uInt8, shape: shape)
        let results = try session.run(withInputs: ["image": image], outputNames: ["stylized"], runOptions: nil)
        return try results["stylized"]!.tensorData() as Data
    }
}
