#include "common/queue/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/queue/crc32c.h"
#include "common/queue/queue_id.h"

namespace postern::queue {
namespace {

constexpr std::array<std::string_view, 6> box_names = {
    "maildrop", "incoming", "active", "deferred", "hold", "corrupt"};

constexpr mode_t expire_bit = S_IXUSR;

// A message up to this size reaches the file in one write.
constexpr std::size_t gather_limit = 128 * 1024;

// File systems whose fsync of a file makes its new name durable as well.
bool syncs_names(const std::string& directory) {
  struct statfs info;
  if (::statfs(directory.c_str(), &info) != 0) return false;
  switch (static_cast<unsigned long>(info.f_type)) {
    case 0xef53:      // ext2, ext3, ext4 (the journal commits both)
    case 0x58465342:  // xfs
    case 0x9123683e:  // btrfs
    case 0x01021994:  // tmpfs: nothing survives anyway
      return true;
    default: return false;
  }
}

}  // namespace

std::string_view name_of(Box box) {
  return box_names[static_cast<std::size_t>(box)];
}

std::optional<Box> box_from(std::string_view name) {
  for (std::size_t i = 0; i < box_names.size(); ++i)
    if (box_names[i] == name) return static_cast<Box>(i);
  return std::nullopt;
}

// --- Draft ---

Draft::Draft(Spool& spool, Fd fd, std::string id, Box box)
    : spool_(spool),
      fd_(std::move(fd)),
      id_(std::move(id)),
      box_(box),
      unwritten_at_(preamble_size) {
  layout_.content_offset = preamble_size;
}

Draft::~Draft() {
  if (!kept_) ::unlink(spool_.path(box_, id_).c_str());
}

Status Draft::append(std::string_view bytes) {
  layout_.content_crc = crc32c(layout_.content_crc, bytes);
  layout_.content_size += static_cast<std::int64_t>(bytes.size());
  unwritten_ += bytes;
  if (unwritten_.size() < gather_limit) return {};
  return write_out();
}

Status Draft::write_out() {
  Status done = os::write_all_at(fd_.get(), unwritten_, unwritten_at_,
                                 "queue file " + id_);
  if (!done) return done;
  unwritten_at_ += static_cast<std::int64_t>(unwritten_.size());
  unwritten_.clear();
  return done;
}

Status Draft::set_aside(std::vector<Recipient>& recipients) {
  if (recipients.size() < 2) return {};
  if (!aside_)
    aside_ = Fd(::open(os::directory_of(spool_.path(box_, id_)).c_str(),
                       O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!aside_) return {};
  std::vector<Recipient> first;
  first.push_back(std::move(recipients.front()));
  recipients.erase(recipients.begin());
  const Status done =
      os::write_all(aside_.get(), encode_recipients(recipients),
                    "recipients of queue file " + id_);
  std::swap(recipients, first);
  return done;
}

// Where some recipients are in a file of their own: piece by piece.
Status Draft::write_envelope(Envelope& envelope) {
  std::vector<Recipient> rest = std::exchange(envelope.recipients, {});
  envelope_bytes_ = encode_envelope(envelope);
  std::vector<Recipient> first;
  if (!rest.empty()) {
    first.push_back(std::move(rest.front()));
    rest.erase(rest.begin());
  }
  const std::int64_t begin = unwritten_at_;
  std::uint32_t crc = 0;
  const auto put = [&](std::string_view bytes) {
    crc = crc32c(crc, bytes);
    unwritten_ += bytes;
    return write_out();
  };
  const std::string_view head(envelope_bytes_.data(),
                              envelope_bytes_.size() - 2);  // without its end
  Status done = put(head);
  if (done) done = put(encode_recipients(first));
  for (off_t at = 0; done;) {
    const Result<std::string> bytes =
        os::read_at(aside_.get(), gather_limit, at, "recipients of " + id_);
    if (!bytes) return bytes.trouble();
    if (bytes->empty()) break;
    at += static_cast<off_t>(bytes->size());
    done = put(*bytes);
  }
  if (done) done = put(encode_recipients(rest) + ".\n");
  layout_.envelope_offset = begin;
  layout_.envelope_size = unwritten_at_ - begin;
  layout_.envelope_crc = crc;
  return done;
}

Status Draft::finish(Envelope& envelope, Box box) {
  if (aside_) {
    Status done = write_out();
    if (done) done = write_envelope(envelope);
    if (done)
      done = os::write_all_at(fd_.get(), encode_layout(layout_), 0,
                              "queue file " + id_);
    if (done && box != box_ && box_ != Box::maildrop) {
      done = spool_.move(id_, box_, box);
      if (done) box_ = box;
    }
    finished_ = done.ok();
    return done;
  }
  envelope_bytes_ = encode_envelope(envelope);
  layout_.envelope_offset = layout_.content_offset + layout_.content_size;
  layout_.envelope_size = static_cast<std::int64_t>(envelope_bytes_.size());
  layout_.envelope_crc = envelope_crc(envelope_bytes_, envelope);
  const std::string preamble = encode_layout(layout_);
  const bool in_one = unwritten_at_ == preamble_size;
  unwritten_ += envelope_bytes_;
  if (in_one) {
    unwritten_.insert(0, preamble);
    unwritten_at_ = 0;
  }
  Status done = write_out();
  if (done && !in_one)
    done = os::write_all_at(fd_.get(), preamble, 0, "queue file " + id_);
  if (done && box != box_ && box_ != Box::maildrop) {
    done = spool_.move(id_, box_, box);
    if (done) box_ = box;
  }
  finished_ = done.ok();
  return done;
}

Status Draft::sync() {
  for (;;) {
    if (::fsync(fd_.get()) == 0) break;
    if (errno != EINTR)
      return os::system_trouble("fsync queue file " + id_, errno);
  }
  return spool_.sync_directory(box_, id_);
}

// --- Spool ---

Spool::Spool(SpoolOptions options)
    : options_(std::move(options)),
      must_sync_directory_(!syncs_names(options_.directory)) {}

bool Spool::hashed(Box box) const {
  if (options_.hash_depth <= 0) return false;
  for (const std::string& name : split_words(options_.hashed))
    if (name == name_of(box)) return true;
  return false;
}

std::string Spool::path(Box box, const std::string& id) const {
  std::string out =
      options_.directory + "/" + std::string(name_of(box)) + "/";
  if (hashed(box))
    for (const char c : hash_part(id, options_.hash_depth)) {
      out += c;
      out += '/';
    }
  return out + id;
}

Status Spool::sync_directory(Box box, const std::string& id) {
  if (!must_sync_directory_) return {};
  const std::string directory = os::directory_of(path(box, id));
  Result<Fd> fd = os::open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.trouble();
  if (::fsync(fd->get()) != 0)
    return os::system_trouble("fsync " + directory, errno);
  return {};
}

// Never replaces: a name that is taken by another message is a trouble, not a
// loss. Makes the subdirectory of a hashed box when it is missing.
Status Spool::rename_new(const std::string& from, const std::string& to) {
  for (int attempt = 0;; ++attempt) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                    RENAME_NOREPLACE) == 0)
      return {};
    int error = errno;
    if (error == EINVAL || error == ENOSYS) {
      // A file system without the flag: link says "exists" as well.
      if (::link(from.c_str(), to.c_str()) == 0) {
        ::unlink(from.c_str());
        return {};
      }
      error = errno;
    }
    if (error == ENOENT && attempt == 0 && os::exists(from)) {
      const Status made = os::make_directories(os::directory_of(to), 0700);
      if (made.ok()) continue;
    }
    return os::system_trouble("rename " + from + " to " + to, error);
  }
}

Result<std::unique_ptr<Draft>> Spool::create(std::int64_t now, Box box) {
  const std::string temporary = options_.directory + "/" +
                                std::string(name_of(box)) + "/new-" +
                                std::to_string(::getpid()) + "-" +
                                std::to_string(++drafts_);
  Result<Fd> fd = os::open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.trouble();
  struct stat info;
  if (::fstat(fd->get(), &info) != 0)
    return os::system_trouble("stat " + temporary, errno);
  const std::string id = options_.long_ids
                             ? long_id(now, info.st_ino)
                             : short_id(now, info.st_ino);
  // Before the file has its name, so that no named file is ever without.
  const bool locked = ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0;
  const Status named =
      locked ? rename_new(temporary, path(box, id))
             : Status(os::system_trouble("lock " + temporary, errno));
  if (!named) {
    ::unlink(temporary.c_str());
    return named.trouble();
  }
  return std::unique_ptr<Draft>(new Draft(*this, std::move(*fd), id, box));
}

bool Spool::remove_abandoned(const std::string& name, Box box) {
  // A name that is no id is one that create() gives for a moment.
  if (!valid_id(name) && !name.starts_with("new-")) return false;
  const std::string file = path(box, name);
  const Result<Fd> fd = os::open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd || ::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return false;
  const Result<std::string> head = os::read_at(
      fd->get(), static_cast<std::size_t>(preamble_size), 0, file);
  if (!head || head->find_first_not_of('\0') != std::string::npos) return false;
  struct stat held, named;
  if (::fstat(fd->get(), &held) != 0 || ::lstat(file.c_str(), &named) != 0 ||
      held.st_ino != named.st_ino || held.st_dev != named.st_dev)
    return false;
  // A file that is being made gets its lock after its first name. A writer
  // that took longer than this to lock it is told that it could not, and says
  // so to its client: nothing is lost.
  if (!valid_id(name) && held.st_mtime > std::time(nullptr) - making_time.count())
    return false;
  return ::unlink(file.c_str()) == 0;
}

Spool::Opened Spool::open(Box box, const std::string& id, bool verify,
                          std::size_t most) {
  Opened out;
  const std::string file = path(box, id);
  const int mode = box == Box::maildrop ? O_RDONLY : O_RDWR;
  Result<Fd> fd = os::open_file(file, mode | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    out.why = os::exists(file) ? Unreadable::trouble : Unreadable::absent;
    out.text = fd.trouble().text;
    return out;
  }
  struct stat info;
  if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    out.why = Unreadable::damaged;
    out.text = "not a regular file";
    return out;
  }
  // Most messages are small: one read brings preamble and envelope.
  constexpr std::size_t first_read = 16384;
  Result<std::string> head = os::read_at(fd->get(), first_read, 0, file);
  if (!head) {
    out.why = Unreadable::trouble;
    out.text = head.trouble().text;
    return out;
  }
  const std::optional<Layout> layout = decode_layout(*head);
  if (!layout) {
    // Nothing but zeros, or nothing at all, where the preamble belongs: its
    // writer had not finished.
    const bool blank = head->find_first_not_of('\0') == std::string::npos ||
                       head->substr(0, 16).find_first_not_of('\0') ==
                           std::string::npos;
    out.why = blank ? Unreadable::unfinished : Unreadable::damaged;
    out.text = blank ? "not finished" : "no valid preamble";
    return out;
  }
  const auto end = static_cast<std::size_t>(layout->results_offset());
  if (layout->results_offset() > info.st_size) {
    out.why = Unreadable::damaged;
    out.text = "shorter than its preamble says";
    return out;
  }
  std::optional<Enveloped> read = read_envelope(
      end <= head->size()
          ? EnvelopeReader(head->substr(
                static_cast<std::size_t>(layout->envelope_offset),
                static_cast<std::size_t>(layout->envelope_size)))
          : EnvelopeReader(fd->get(), *layout),
      layout->envelope_crc, most);
  if (!read) {
    out.why = Unreadable::damaged;
    out.text = "damaged envelope";
    return out;
  }
  Stored stored{id,
                box,
                std::move(*fd),
                *layout,
                std::move(read->envelope),
                static_cast<std::int64_t>(info.st_mtim.tv_sec),
                (info.st_mode & expire_bit) != 0,
                read->recipients,
                read->pending,
                read->rest};
  if (verify && !content_intact(stored)) {
    out.why = Unreadable::damaged;
    out.text = "damaged content";
    return out;
  }
  out.message = std::move(stored);
  return out;
}

Spool::Opened Spool::find(const std::string& id) {
  Opened out;
  // A message may move while we look: the order is that of its way, and once
  // more.
  for (int round = 0; round < 2; ++round)
    for (const Box box :
         {Box::incoming, Box::active, Box::deferred, Box::hold}) {
      out = open(box, id);
      if (out.message || out.why != Unreadable::absent) return out;
    }
  return out;
}

Result<Fd> Spool::open_read_only(Box box, const std::string& id) const {
  return os::open_file(path(box, id), O_RDONLY | O_NOFOLLOW);
}

Status Spool::mark_done(Stored& message, std::size_t recipient) {
  Recipient& r = message.envelope.recipients[recipient];
  r.done = true;
  constexpr char byte = queue::mark_done;
  return os::write_all_at(message.fd.get(), std::string_view(&byte, 1),
                          message.layout.envelope_offset + r.mark,
                          "queue file " + message.id);
}

Status Spool::mark_done(Box box, const std::string& id, const Layout& layout,
                        const std::vector<std::int64_t>& marks) {
  if (marks.empty()) return {};
  const Result<Fd> fd =
      os::open_file(path(box, id), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.trouble();
  constexpr char byte = queue::mark_done;
  for (const std::int64_t mark : marks) {
    const Status done =
        os::write_all_at(fd->get(), std::string_view(&byte, 1),
                         layout.envelope_offset + mark, "queue file " + id);
    if (!done) return done;
  }
  return {};
}

Status Spool::write_results(Box box, const std::string& id,
                            const Layout& layout, const Results& results) {
  const Result<Fd> fd =
      os::open_file(path(box, id), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.trouble();
  return os::write_all_at(fd->get(), encode_results(results),
                          layout.results_offset(), "queue file " + id);
}

Status Spool::write_results(Stored& message, const Results& results) {
  return os::write_all_at(message.fd.get(), encode_results(results),
                          message.layout.results_offset(),
                          "queue file " + message.id);
}

Results Spool::read_results(const Stored& message) {
  struct stat info;
  if (::fstat(message.fd.get(), &info) != 0 ||
      info.st_size <= message.layout.results_offset())
    return {};
  const auto size = static_cast<std::size_t>(info.st_size -
                                             message.layout.results_offset());
  const Result<std::string> bytes =
      os::read_at(message.fd.get(), size, message.layout.results_offset(),
                  "queue file " + message.id);
  if (!bytes) return {};
  return decode_results(*bytes);
}

Result<std::optional<Fd>> Spool::lock(Box box, const std::string& id) const {
  const std::string file = path(box, id);
  Result<Fd> fd = os::open_file(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.trouble();
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd->get(), F_OFD_SETLK, &whole) == 0)
    return std::optional<Fd>(std::move(*fd));
  if (errno == EAGAIN || errno == EACCES) return std::optional<Fd>();
  return os::system_trouble("lock " + file, errno);
}

Status Spool::move(const std::string& id, Box from, Box to) {
  return rename_new(path(from, id), path(to, id));
}

Status Spool::remove(Box box, const std::string& id) {
  const std::string file = path(box, id);
  if (::unlink(file.c_str()) != 0)
    return os::system_trouble("remove " + file, errno);
  return {};
}

Status Spool::set_next_attempt(Box box, const std::string& id,
                               std::int64_t when) {
  const timespec times[2] = {{static_cast<time_t>(when), 0},
                             {static_cast<time_t>(when), 0}};
  const std::string file = path(box, id);
  if (::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    return os::system_trouble("set the time of " + file, errno);
  return {};
}

Status Spool::force_expire(Box box, const std::string& id) {
  const std::string file = path(box, id);
  const Result<Fd> fd =
      os::open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.trouble();
  struct stat info;
  if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      ::fchmod(fd->get(), (info.st_mode & 0777) | expire_bit) != 0)
    return os::system_trouble("set the mode of " + file, errno);
  return {};
}

bool Spool::force_expired(Box box, const std::string& id) const {
  struct stat info;
  return ::lstat(path(box, id).c_str(), &info) == 0 &&
         S_ISREG(info.st_mode) && (info.st_mode & expire_bit) != 0;
}

std::optional<std::int64_t> Spool::modified(Box box, const std::string& id) {
  struct stat info;
  if (::lstat(path(box, id).c_str(), &info) != 0) return std::nullopt;
  return static_cast<std::int64_t>(info.st_mtim.tv_sec);
}

namespace {

// Subdirectories of a hashed box have one-character names.
Status scan_directory(const std::string& directory, int depth,
                      const std::function<bool(const std::string&)>& found,
                      bool& stopped) {
  const Result<std::vector<std::string>> names = os::list_directory(directory);
  if (!names) {
    if (!os::exists(directory)) return {};
    return names.trouble();
  }
  for (const std::string& name : *names) {
    if (stopped) return {};
    if (depth > 0 && name.size() == 1) {
      const Status done = scan_directory(directory + "/" + name, depth - 1,
                                         found, stopped);
      if (!done) return done;
    } else if (!found(name)) {
      stopped = true;
    }
  }
  return {};
}

}  // namespace

Status Spool::scan(Box box,
                   const std::function<bool(const std::string&)>& found) {
  bool stopped = false;
  return scan_directory(
      options_.directory + "/" + std::string(name_of(box)),
      hashed(box) ? options_.hash_depth : 0, found, stopped);
}

Result<std::uint64_t> Spool::free_bytes() const {
  return os::free_bytes(options_.directory);
}

bool content_intact(const Stored& message) {
  std::uint32_t crc = 0;
  std::int64_t at = message.layout.content_offset;
  std::int64_t left = message.layout.content_size;
  while (left > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(
        left, 1 << 20));
    const Result<std::string> bytes =
        os::read_at(message.fd.get(), want, at, "queue file " + message.id);
    if (!bytes || bytes->size() != want) return false;
    crc = crc32c(crc, *bytes);
    at += static_cast<std::int64_t>(want);
    left -= static_cast<std::int64_t>(want);
  }
  return crc == message.layout.content_crc;
}

}  // namespace postern::queue
