#include "file_sha256.h"

#include <openssl/evp.h>
#include <taskflow/context.h>
#include <taskflow/payload.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "files_dir.h"
#include "schema.h"

namespace taskflow_tasks {
namespace {

using Json = nlohmann::json;

constexpr std::size_t maxPathLength = 4'096;
/** Read at once; between two of them it looks whether to stop. */
constexpr std::size_t chunkSize = 1024 * 1024;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }

  void add(const char* bytes, std::size_t size) { check(EVP_DigestUpdate(context_.get(), bytes, size)); }

  /** In hex digits. */
  std::string finish() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), bytes, &size));
    std::string text;
    for (unsigned i = 0; i < size; i++) {
      text.push_back("0123456789abcdef"[bytes[i] >> 4]);
      text.push_back("0123456789abcdef"[bytes[i] & 15]);
    }
    return text;
  }

 private:
  static void check(bool isGood) {
    if (!isGood) throw std::runtime_error("OpenSSL cannot compute SHA-256");
  }

  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

Json hashFile(taskflow::Context& context, const std::string& filesDir) {
  const auto path = taskflow::PayloadReader(context.payload()).text("path", maxPathLength);
  auto file = openInside(filesDir, path);
  const auto size = file.size();
  std::vector<char> chunk(chunkSize);
  Sha256 hash;
  std::size_t bytes = 0;
  while (const auto count = file.read(chunk.data(), chunk.size())) {
    context.throwIfStopped();
    hash.add(chunk.data(), count);
    bytes += count;
    // A file may grow while it is read.
    context.progress(100.0 * static_cast<double>(bytes) / static_cast<double>(std::max(size, bytes)));
  }
  return {{"path", path}, {"bytes", bytes}, {"sha256", hash.finish()}};
}

Json fileSchema() {
  return schema::object({{"path", schema::text(1, maxPathLength, "A path inside the folder FILES_DIR")}}, {"path"});
}

}  // namespace

taskflow::TaskDefinition fileSha256(const std::string& filesDir) {
  return {"file.sha256", [filesDir](taskflow::Context& context) { return hashFile(context, filesDir); }, fileSchema()};
}

}  // namespace taskflow_tasks
