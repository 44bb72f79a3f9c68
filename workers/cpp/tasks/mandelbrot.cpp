#include "mandelbrot.h"

#include <taskflow/payload.h>

#include "schema.h"

namespace taskflow_tasks {
namespace {

using Json = nlohmann::json;

/** A byte a point, in base64: a result of 350 KiB. */
constexpr int maxPoints = 262'144;
constexpr int maxSide = 4'096;
constexpr int mostIterations = 100'000;
/** Closer points are the same in double precision. */
constexpr double minStep = 1e-15;

Tile readTile(const Json& payload) {
  const taskflow::PayloadReader reader(payload);
  const Tile tile{reader.number("x", -4, 4),
                  reader.number("y", -4, 4),
                  static_cast<int>(reader.integer("width", 1, maxSide)),
                  static_cast<int>(reader.integer("height", 1, maxSide)),
                  reader.number("step", minStep, 1, 0.01),
                  static_cast<int>(reader.integer("maxIterations", 1, mostIterations, 256))};
  if (tile.width * tile.height > maxPoints) {
    throw taskflow::invalidPayload("a tile has at most " + std::to_string(maxPoints) + " points");
  }
  return tile;
}

Json computeTile(taskflow::Context& context) {
  const auto tile = readTile(context.payload());
  std::string pixels;
  std::int64_t inside = 0;
  std::int64_t iterations = 0;
  for (int row = 0; row < tile.height; row++) {
    context.throwIfStopped();
    for (int column = 0; column < tile.width; column++) {
      const int count = escapeTime(tile.x + column * tile.step, tile.y - row * tile.step, tile.maxIterations);
      iterations += count;
      if (count == tile.maxIterations) inside++;
      pixels.push_back(static_cast<char>(static_cast<std::int64_t>(count) * 255 / tile.maxIterations));
    }
    context.progress(100.0 * (row + 1) / tile.height);
  }
  return {{"width", tile.width},   {"height", tile.height},     {"maxIterations", tile.maxIterations},
          {"inside", inside},      {"iterations", iterations}, {"pixels", base64(pixels)}};
}

Json tileSchema() {
  return schema::object(
      {{"x", schema::number(-4, 4, "Real part of the first point")},
       {"y", schema::number(-4, 4, "Imaginary part of the first point; further rows lie below")},
       {"width", schema::integer(1, maxSide, "Points in a row")},
       {"height", schema::integer(1, maxSide, "Rows; width times height is at most 262,144")},
       {"step", schema::number(minStep, 1, "Distance between neighbouring points. Default: 0.01")},
       {"maxIterations", schema::integer(1, mostIterations, "When a point counts as inside. Default: 256")}},
      {"x", "y", "width", "height"});
}

}  // namespace

int escapeTime(double x, double y, int maxIterations) {
  double real = 0;
  double imaginary = 0;
  for (int count = 0; count < maxIterations; count++) {
    const double realSquare = real * real;
    const double imaginarySquare = imaginary * imaginary;
    if (realSquare + imaginarySquare > 4) return count;
    imaginary = 2 * real * imaginary + y;
    real = realSquare - imaginarySquare + x;
  }
  return maxIterations;
}

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = i; j < i + 3; j++) {
      group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text.push_back(digits[group >> shift & 63]);
  }
  for (std::size_t i = 0; i < (3 - bytes.size() % 3) % 3; i++) text[text.size() - 1 - i] = '=';
  return text;
}

taskflow::TaskDefinition mandelbrotTile() { return {"mandelbrot.tile", computeTile, tileSchema()}; }

}  // namespace taskflow_tasks
