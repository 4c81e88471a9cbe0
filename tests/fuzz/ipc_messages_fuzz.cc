// Every message that crosses a link: the first byte picks the type. What
// decodes must encode to something that decodes again.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>
#include <tuple>

#include "common/ipc/messages/auth.h"
#include "common/ipc/messages/content.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/dial.h"
#include "common/ipc/messages/keys.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/queue.h"
#include "common/ipc/messages/screen.h"
#include "common/ipc/messages/tls_sessions.h"
#include "common/ipc/messages/verify.h"
#include "common/ipc/messages/worker.h"

namespace {

using namespace postern;
using namespace postern::ipc;

template <class M>
void try_message(std::string_view body) {
  M message{};
  std::deque<Fd> none;
  Reader reader(body, &none);
  reader.get(message);
  if (!reader.at_end()) return;
  Writer writer;
  writer.put(message);
  M again{};
  Reader second(writer.bytes, &none);
  second.get(again);
  if (!second.at_end()) std::abort();
}

template <class... Ms>
struct Messages {
  static void feed(std::size_t which, std::string_view body) {
    std::size_t i = 0;
    ((i++ == which % sizeof...(Ms) ? try_message<Ms>(body) : void()), ...);
  }
};

using All = Messages<
    Welcome, Ready, Stress, LinkAnswer, LinkRequest, LinkArrival,
    WorkerRequest, Wakeup, Drain, MessageBegun, MessageBegin, MessageRecipient,
    MessageContent, MessageMark, MessageVerdict, MessageEnd, MessageAbort,
    MessageAdmit, NoticeDone, NoticeRequest, FlushAnswer, FlushRequest,
    DeliverReport, DeliverRequest, TableAnswer, TableFind, UserAnswer, UserFind,
    MailHostsAnswer, MailHostsFind, ClientNameAnswer, ClientNameFind, DnsAnswer,
    DnsFind, AnvilAnswer, AnvilNote, StoreAnswer, StoreRequest,
    ListAnswer, ListRequest, RunAnswer, RunRequest,
    AuthChannelAnswer, AuthChannel, DialAnswer, DialPath, DialHost, RoomAnswer,
    RoomFind, IdentityAnswer, IdentityFind, SignAnswer, SignRequest,
    TicketKeysAnswer, TicketKeysFind, SessionAnswer, SessionFind, SessionKeep,
    SecretFileAnswer, SecretFileRequest, FileAnswer, FileFind, VerifyAnswer,
    VerifyFind, VerifyNoted, VerifyNote, TlsSessionAnswer, TlsSessionFind,
    TlsSessionKeep, ScreenAnswer, ScreenFind, ScreenKeep, DnsListAnswer,
    DnsListFind>;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  All::feed(data[0],
            std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
