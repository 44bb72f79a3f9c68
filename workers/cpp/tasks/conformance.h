#pragma once

#include <taskflow/task.h>

#include <vector>

namespace taskflow_tasks {

/** The task types with which test/conformance tries out a worker in any language. */
std::vector<taskflow::TaskDefinition> conformanceTasks();

}  // namespace taskflow_tasks
