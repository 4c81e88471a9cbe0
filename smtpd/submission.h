// One message on its way to cleanup: begin, recipients, content, end
// (common/ipc/messages/content.h). Whoever drops it before the end drops the
// message.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/ipc/link.h"
#include "common/ipc/messages/content.h"
#include "common/loop/task.h"
#include "smtpd/surroundings.h"

namespace postern::smtpd {

// As much content as is gathered before it is sent on while more can be read
// at once, and while it cannot.
inline constexpr std::size_t most_gathered = 65536;
inline constexpr std::size_t worth_sending = 8192;

class Submission {
 public:
  explicit Submission(Surroundings& surroundings)
      : surroundings_(surroundings) {}
  ~Submission();
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  // Trouble in the answer is cleanup's; trouble of the result means that it
  // could not be reached.
  Task<Result<ipc::MessageBegun>> begin(ipc::MessageBegin message);
  // Recipients wait for the content, so that all leaves in one go.
  void add(ipc::MessageRecipient recipient);
  void mark(const ipc::MessageMark& mark);

  // False: the way to cleanup is broken, and the message with it; what is
  // gathered from then on is thrown away, and end() gives trouble.
  bool alive() const;

  // Gathers; sends when enough is there. False: not alive, or the link is not
  // since cleanup did not take what there is within `limit`.
  std::string& gathered() { return gathered_; }
  Task<bool> send_on(bool more_at_once, Millis limit);

  Task<Result<ipc::MessageVerdict>> end(Millis limit);

 private:
  Task<Result<ipc::MessageBegun>> begin_once(ipc::MessageBegin message);
  void send_recipients();
  void send_gathered();

  Surroundings& surroundings_;
  std::unique_ptr<ipc::Link> link_;
  std::vector<ipc::MessageRecipient> recipients_;
  std::string gathered_;
  std::int64_t sent_ = 0;
};

}  // namespace postern::smtpd
