#include "local/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"
#include "local/lists.h"
#include "local/maildir.h"
#include "local/mbox.h"

namespace postern::local {
namespace {

bool is_directory(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

Status store_as_mbox(const ipc::StoreRequest& request, const std::string& path,
                     const Content& content, ipc::StoreAnswer& answer) {
  MboxDelivery delivery;
  delivery.path = path;
  delivery.separator = request.separator;
  delivery.headers = request.headers;
  delivery.content = content;
  delivery.locks = {request.locks, request.lock_attempts, request.lock_delay,
                    request.stale_lock};
  delivery.size_limit = request.size_limit;
  delivery.strict_ownership = request.strict_ownership;
  delivery.plain_file = request.plain_file;
  const Result<Stored> stored = store_mbox(delivery);
  if (!stored) return stored.trouble();
  answer.text = request.plain_file ? "delivered to file: " + path
                                   : "delivered to mailbox";
  answer.offset = stored->offset;
  answer.warning = stored->warning;
  return {};
}

Status store_as_asked(const Permit& permit, const ipc::StoreRequest& request,
                      ipc::StoreAnswer& answer) {
  if (!request.message)
    return try_later("3.0", "no message came with the request");
  if (permit.path.empty())
    return try_later("3.0", "this worker is for no mailbox");
  if (Status home = check_home(request.required_directory); !home) return home;
  const Destination wanted{Destination::Kind::file, permit.path};
  if (Status named = check_origin(permit, request.names, wanted); !named)
    return named;
  const Content content{request.message.get(), request.content_offset,
                        request.content_size};
  if (!permit.path.ends_with('/'))
    return store_as_mbox(request, permit.path, content, answer);
  answer.text = "delivered to maildir";
  return store_maildir(
      {permit.path, request.headers, content, request.size_limit});
}

}  // namespace

Status check_home(const std::string& directory) {
  if (directory.empty() || ::access(directory.c_str(), X_OK) == 0) return {};
  return try_later("3.0", "cannot access home directory " + directory + ": " +
                              os::error_text(errno));
}

ipc::StoreAnswer store(const Permit& permit, const ipc::StoreRequest& request) {
  ipc::StoreAnswer answer;
  if (Status stored = store_as_asked(permit, request, answer); !stored)
    answer.trouble = ipc::TroubleWire::from(stored.trouble());
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

std::string store_directory(const std::string& path) {
  if (!path.ends_with('/')) return os::directory_of(path);
  std::string directory = path;
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  return directory;
}

}  // namespace postern::local
