#pragma once

#include <taskflow/task.h>

#include <string>

namespace taskflow_tasks {

/**
 * `file.sha256`: the SHA-256 of a file.
 *
 * @param filesDir the folder that it may read from; empty: none, and each task of this type fails with a clear error
 */
taskflow::TaskDefinition fileSha256(const std::string& filesDir);

}  // namespace taskflow_tasks
