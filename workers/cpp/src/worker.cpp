#include "taskflow/worker.h"

#include "worker_runtime.h"

namespace taskflow {

Worker::Worker(Settings settings, std::vector<TaskDefinition> tasks)
    : runtime_(std::make_unique<WorkerRuntime>(std::move(settings), byType(std::move(tasks)))) {}

Worker::~Worker() = default;

const std::string& Worker::id() const { return runtime_->id(); }

int Worker::stop() { return runtime_->stop(); }

}  // namespace taskflow
