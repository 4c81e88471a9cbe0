// The queue on disk: one file per message, in directories that administrators
// know. The only code that touches queue files. Narrow on purpose, so that
// another storage (a log) can stand behind it: create, append, finish, sync,
// open, settle, move, remove, scan.
//
// States of a message (docs/formats/queue-file.md):
//   incoming  being written (no valid preamble), or complete and not yet
//             admitted by qmgr
//   active    admitted
//   deferred  waits for its next attempt (the file's modification time)
//   hold      waits for the administrator
//   corrupt   could not be read; set aside, never deleted
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/os/fd.h"
#include "common/queue/envelope.h"
#include "common/queue/envelope_reader.h"

namespace postern::queue {

enum class Box { maildrop, incoming, active, deferred, hold, corrupt };
// Those whose messages wait for something; the order is that of their way.
inline constexpr Box mail_boxes[] = {Box::maildrop, Box::incoming, Box::active,
                                     Box::deferred, Box::hold};
std::string_view name_of(Box box);
std::optional<Box> box_from(std::string_view name);

struct SpoolOptions {
  std::string directory;           // queue_directory
  bool long_ids = false;           // enable_long_queue_ids
  std::string hashed = "deferred"; // hash_queue_names
  int hash_depth = 1;              // hash_queue_depth
};

class Spool;

// A message that is being written. Destroyed before keep(), it leaves nothing.
// Its file is locked (flock) as long as it lives: an unfinished file that
// nobody has locked is what a dead writer left.
class Draft {
 public:
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  const std::string& id() const { return id_; }
  std::int64_t content_size() const { return layout_.content_size; }

  // The next content bytes. Small messages are gathered in memory and written
  // in one call. Trouble: no space (4.3.1), an I/O error.
  Status append(std::string_view bytes);

  // Takes all recipients but the first out of memory; they come back, in the
  // file, between the first and those that are in the envelope at finish().
  // Stays as it is where the file system has no nameless files.
  Status set_aside(std::vector<Recipient>& recipients);
  // As if it had not been called.
  void drop_set_aside() { aside_ = Fd(); }
  bool set_aside() const { return static_cast<bool>(aside_); }

  // Writes all that is missing; moves the file to `box` (incoming or hold; a
  // draft in maildrop stays there).
  // Afterwards only sync() stands between the message and our word for it.
  Status finish(Envelope& envelope, Box box);
  // Blocks until the message is on stable storage, the directory entry
  // included. May be called from another thread.
  Status sync();
  // After sync: the file stays.
  void keep() { kept_ = true; }

  // After finish: what qmgr needs to admit it without reading the file; of an
  // envelope with recipients set aside the head alone.
  std::string layout_bytes() const { return encode_layout(layout_); }
  const std::string& envelope_bytes() const { return envelope_bytes_; }
  // The open file, for reading the content back.
  int fd() const { return fd_.get(); }

 private:
  friend class Spool;
  Draft(Spool& spool, Fd fd, std::string id, Box box);
  Status write_out();
  Status write_envelope(Envelope& envelope);

  Spool& spool_;
  Fd fd_;
  std::string id_;
  Box box_;
  Layout layout_;
  std::string unwritten_;        // content not yet in the file
  std::int64_t unwritten_at_;    // file offset of its start
  std::string envelope_bytes_;
  Fd aside_;                      // recipients' lines
  bool finished_ = false;
  bool kept_ = false;
};

// A complete message, open.
struct Stored {
  std::string id;
  Box box = Box::incoming;
  Fd fd;                   // read and write
  Layout layout;
  Envelope envelope;
  std::int64_t modified = 0;  // seconds: next attempt
  // To be returned after its next attempt, however young it is (postsuper -e);
  // kept in the file's mode: its owner may "execute" it.
  bool force_expired = false;
  std::int64_t recipients = 0;  // all of them, done or not
  std::int64_t pending = 0;     // those that are not done
  // Where those begin that open() was told to leave out.
  Place rest;
};

// Why a file could not be opened as a message.
enum class Unreadable { absent, unfinished, damaged, trouble };

class Spool {
 public:
  explicit Spool(SpoolOptions options);

  const std::string& directory() const { return options_.directory; }

  // A new file in incoming (or maildrop). `now` in microseconds.
  Result<std::unique_ptr<Draft>> create(std::int64_t now,
                                        Box box = Box::incoming);

  // Opens a message and reads its envelope. `verify`: also check the content
  // against its checksum (recovery). Files in maildrop belong to others and are
  // opened for reading alone. The envelope gets the first `most` recipients.
  struct Opened {
    std::optional<Stored> message;
    Unreadable why = Unreadable::absent;
    std::string text;
  };
  Opened open(Box box, const std::string& id, bool verify = false,
              std::size_t most = SIZE_MAX);
  // As above without knowing the box: active, incoming, deferred, hold.
  Opened find(const std::string& id);

  // A read-only descriptor of the same file, to hand to an agent.
  Result<Fd> open_read_only(Box box, const std::string& id) const;

  // Marks a recipient as done, in the file. Not synced: a crash may at worst
  // repeat a delivery.
  Status mark_done(Stored& message, std::size_t recipient);
  // The same by the recipients' marks (Recipient::mark). Absent: the message
  // is gone.
  Status mark_done(Box box, const std::string& id, const Layout& layout,
                   const std::vector<std::int64_t>& marks);

  // Replaces what the last attempts said.
  Status write_results(Stored& message, const Results& results);
  Status write_results(Box box, const std::string& id, const Layout& layout,
                       const Results& results);
  Results read_results(const Stored& message);

  // Locks a file among queue managers (an open file description lock), until
  // the descriptor is closed. nullopt: another one has it.
  Result<std::optional<Fd>> lock(Box box, const std::string& id) const;

  // Trouble when the id is there already (never overwrites).
  Status move(const std::string& id, Box from, Box to);
  Status remove(Box box, const std::string& id);
  // When it is to be tried next: seconds since 1970, kept as the file's
  // modification time.
  Status set_next_attempt(Box box, const std::string& id, std::int64_t when);

  Status force_expire(Box box, const std::string& id);
  bool force_expired(Box box, const std::string& id) const;

  // Calls back for every file name in a box, in directory order; names that
  // are no queue ids included. Stops when the callback says false. Trouble:
  // the directory cannot be read (an absent one is empty).
  Status scan(Box box, const std::function<bool(const std::string&)>& found);

  // How long a file may have a name that is no queue id (create gives it one
  // for a moment) before it counts as abandoned.
  static constexpr std::chrono::seconds making_time{5};

  // Removes a file of incoming (or maildrop) that its writer left unfinished
  // when it died.
  // False: there is no such file, it is complete, or its writer lives.
  bool remove_abandoned(const std::string& name, Box box = Box::incoming);

  // Modification time, or nullopt when absent.
  std::optional<std::int64_t> modified(Box box, const std::string& id);

  std::string path(Box box, const std::string& id) const;
  // Levels of subdirectories (hash_queue_names, hash_queue_depth).
  int depth(Box box) const { return hashed(box) ? options_.hash_depth : 0; }
  Result<std::uint64_t> free_bytes() const;

 private:
  friend class Draft;
  bool hashed(Box box) const;
  Status rename_new(const std::string& from, const std::string& to);
  Status sync_directory(Box box, const std::string& id);

  SpoolOptions options_;
  bool must_sync_directory_ = false;
  std::uint64_t drafts_ = 0;
};

// "content complete and right?": for recovery.
bool content_intact(const Stored& message);

}  // namespace postern::queue
