#include "local/store.h"

#include <sys/stat.h>

#include <cerrno>

#include "common/os/files.h"
#include "local/maildir.h"
#include "local/mbox.h"

namespace postern::local {
namespace {

bool is_directory(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

Status store_as_mbox(const ipc::StoreRequest& request, const Content& content) {
  MboxDelivery delivery;
  delivery.path = request.path;
  delivery.separator = request.separator;
  delivery.headers = request.headers;
  delivery.content = content;
  delivery.locks = {request.locks, request.lock_attempts, request.lock_delay,
                    request.stale_lock};
  delivery.size_limit = request.size_limit;
  delivery.strict_ownership = request.strict_ownership;
  return store_mbox(delivery);
}

Status store_as_asked(const ipc::StoreRequest& request) {
  if (!request.message)
    return try_later("3.0", "no message came with the request");
  if (!request.required_directory.empty() &&
      !is_directory(request.required_directory))
    return try_later("2.0", "directory " + request.required_directory +
                                " does not exist or cannot be entered");
  const Content content{request.message.get(), request.content_offset,
                        request.content_size};
  if (request.format == "mbox") return store_as_mbox(request, content);
  if (request.format == "maildir")
    return store_maildir(
        {request.path, request.headers, content, request.size_limit});
  return try_later("3.0", "unknown mailbox format " + request.format);
}

}  // namespace

ipc::StoreAnswer store(const ipc::StoreRequest& request) {
  ipc::StoreAnswer answer;
  const Status stored = store_as_asked(request);
  if (!stored)
    answer.trouble = ipc::TroubleWire::from(stored.trouble());
  else
    answer.text = request.format == "mbox" ? "delivered to mailbox"
                                           : "delivered to maildir";
  return answer;
}

std::string nearest_directory(std::string path) {
  if (!path.starts_with('/')) return "";
  while (path.size() > 1 && !is_directory(path)) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    path = os::directory_of(path);
  }
  return path;
}

}  // namespace postern::local
