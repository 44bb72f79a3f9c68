#pragma once

#include <taskflow/context.h>
#include <taskflow/task.h>

namespace taskflow_tasks {

/** A piece of the complex plane, as a grid of points. */
struct Tile {
  /** Its first point; further ones lie to the right and downwards. */
  double x;
  double y;
  int width;
  int height;
  /** Distance between neighbouring points. */
  double step;
  int maxIterations;
};

/** How many steps z → z² + c makes from 0 before it leaves the circle of radius 2, at most `maxIterations`. */
int escapeTime(double x, double y, int maxIterations);

/** `mandelbrot.tile`: counts, for each point of a tile, how soon it escapes. */
taskflow::TaskDefinition mandelbrotTile();

/** As RFC 4648 has it, with padding. */
std::string base64(const std::string& bytes);

}  // namespace taskflow_tasks
