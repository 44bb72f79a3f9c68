#include <taskflow/worker.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include "conformance.h"
#include "file_sha256.h"
#include "mandelbrot.h"

int main() {
  try {
    const auto settings = taskflow::Settings::fromEnvironment();
    std::vector<taskflow::TaskDefinition> tasks{taskflow_tasks::mandelbrotTile(),
                                                taskflow_tasks::fileSha256(settings.filesDir)};
    const char* conformance = std::getenv("TASKFLOW_CONFORMANCE");
    if (conformance && conformance == std::string_view("1")) {
      for (auto& task : taskflow_tasks::conformanceTasks()) tasks.push_back(std::move(task));
    }
    return taskflow::runWorker(settings, std::move(tasks));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
