// print_messages > docs/formats/ipc.md: every message with its fields, and the
// edges of the contract. A message that is not in `pages` below but in the
// contract makes it fail.
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <type_traits>

#include "common/ipc/contract.h"
#include "common/ipc/link.h"
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

namespace postern::ipc {
namespace {

std::string quoted(const std::string& word) { return "`" + word + "`"; }

// What a field holds, in words of the page's introduction.
template <class T>
struct Kind {
  static std::string text() {
    if constexpr (Declared<T>)
      return quoted(T::wire().name);
    else if constexpr (std::is_same_v<T, bool>)
      return "flag";
    else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>)
      return "number";
    else if constexpr (std::is_same_v<T, std::string>)
      return "text";
    else
      return "descriptor";
  }
};
static_assert(!Declared<Fd> && !std::is_integral_v<Fd>);

template <class R, class P>
struct Kind<std::chrono::duration<R, P>> {
  static std::string text() {
    static_assert(std::is_same_v<P, std::milli>, "say which unit");
    return "milliseconds";
  }
};
template <class T>
struct Kind<std::vector<T>> {
  static std::string text() { return "list of " + Kind<T>::text(); }
};
template <class A, class B>
struct Kind<std::pair<A, B>> {
  static std::string text() {
    return "pair of " + Kind<A>::text() + " and " + Kind<B>::text();
  }
};
template <class T>
struct Kind<std::optional<T>> {
  static std::string text() { return "optional " + Kind<T>::text(); }
};

template <class T, class V>
std::string field_row(const Field<T, V>& field) {
  return "| " + quoted(field.name) + " | " + Kind<V>::text() + " |\n";
}

std::set<std::uint32_t> printed;

template <Declared M>
std::string message_text() {
  printed.insert(type_of<M>());
  char number[16];
  std::snprintf(number, sizeof number, "%08x", type_of<M>());
  std::string out = "### " + std::string(M::wire().name) + "\n\nType " +
                    number + ".";
  if constexpr (requires { typename M::Answer; })
    out += " A question; the answer is " +
           quoted(M::Answer::wire().name) + ".";
  if constexpr (requires { M::repeatable; })
    out += " Asked again when the link broke before the answer.";
  out += "\n\n| field | kind |\n| --- | --- |\n";
  std::apply([&](const auto&... f) { ((out += field_row(f)), ...); },
             M::wire().fields);
  return out + "\n";
}

template <Declared... Messages>
std::string group(const std::string& header) {
  return "## " + quoted("common/ipc/messages/" + header) + "\n\n" +
         (message_text<Messages>() + ...);
}

std::string pages() {
  return group<AuthChannel, AuthChannelAnswer>("auth.h") +
         group<MessageBegin, MessageBegun, MessageRecipient, MessageContent,
               MessageMark, MessageEnd, MessageVerdict, MessageAbort, RoomFind,
               RoomAnswer>(
             "content.h") +
         group<Welcome, SettingWire, RowWire, ListenerWire, Ready, HandedOver,
              Stress,
               LinkRequest, LinkAnswer, LinkArrival, WorkerRequest, Wakeup,
               Drain>("control.h") +
         group<DeliverRequest, DeliverRecipient, DeliverReport, DeliverResult,
              DeliverPart>(
             "deliver.h") +
         group<DialPath, DialHost, DialAnswer>("dial.h") +
         group<IdentityFind, IdentityAnswer, ChainWire, SignRequest, SignAnswer,
               TicketKeysFind, TicketKeysAnswer, TicketKeyWire, SessionFind,
               SessionAnswer, SessionKeep, SecretFileRequest,
               SecretFileAnswer>("keys.h") +
         group<TableFind, TableAnswer, UserFind, UserAnswer, MailHostsFind,
               MailHostsAnswer, HostAddress, ClientNameFind, ClientNameAnswer,
               DnsFind, DnsAnswer, FileFind, FileAnswer,
               AnvilNote, AnvilAnswer>("lookup.h") +
         group<MessageAdmit, RouteWire, FlushRequest, FlushAnswer,
               NoticeRequest, NoticeRecipient, NoticeDone>("queue.h") +
         group<TlsSessionFind, TlsSessionAnswer, TlsSessionKeep>(
             "tls_sessions.h") +
         group<VerifyFind, VerifyAnswer, VerifyNote, VerifyNoted>("verify.h") +
         group<ScreenFind, ScreenAnswer, ScreenKeep, DnsListFind,
               DnsListAnswer>("screen.h") +
         group<StoreRequest, StoreAnswer, ListRequest, ListAnswer, RunRequest,
               RunAnswer, RecipientNames>("worker.h") +
         "## `common/ipc/wire.h`\n\n" + message_text<TroubleWire>();
}

// One row per pair of roles, its messages in the contract's order.
std::string edges() {
  std::map<std::pair<Role, Role>, std::string> pairs;
  for (const Edge& edge : contract()) {
    std::string& names = pairs[{edge.from, edge.to}];
    names += (names.empty() ? "" : ", ") + quoted(edge.message);
  }
  std::string out = "| from | to | may say |\n| --- | --- | --- |\n";
  for (const auto& [roles, names] : pairs)
    out += "| " + std::string(name_of(roles.first)) + " | " +
           std::string(name_of(roles.second)) + " | " + names + " |\n";
  return out + "\n";
}

std::string page() {
  return "# Messages between processes\n\n"
         "<!-- Printed by print_messages from common/ipc; do not edit. -->\n\n"
         "A link is a stream socket of AF_UNIX that master made "
         "(`common/ipc/link.h`). Each\nframe on it has a header of 16 bytes: "
         "length of the body, type, number of the\nquestion (4 bytes each, "
         "little endian), kind (1 notice, 2 question, 3 answer), how\nmany "
         "descriptors are its own (2 bytes), one byte 0. A body has at most " +
         std::to_string(largest_frame) +
         " bytes.\n\n"
         "The body is the fields in order. A *number* is 8 bytes, little "
         "endian, signed;\n*milliseconds* are a number; a *flag* is one byte; "
         "*text* and a *list* have their\nlength before them, 4 bytes; an "
         "*optional* value has a flag before it; a\n*descriptor* is a flag, "
         "and travels beside the frame when it is set. A name in code\nfont "
         "is another message's fields, in place.\n\n"
         "The type is a hash of the message's name and those of its fields, "
         "so that parts of\ndifferent builds part at the first word instead "
         "of misunderstanding each other.\nWhat the fields mean is said where "
         "they are declared.\n\n"
         "## Who may say what\n\n"
         "What is not listed is not sent, and ends the link where it "
         "arrives. Answers follow\ntheir questions.\n\n";
}

}  // namespace
}  // namespace postern::ipc

int main() {
  using namespace postern::ipc;
  const std::string text = page() + edges() + pages();
  for (const Edge& edge : contract())
    if (!printed.contains(edge.type)) {
      std::fprintf(stderr, "print_messages: %s is not in pages()\n",
                   edge.message);
      return 1;
    }
  const std::string_view trimmed(text.data(), text.size() - 1);
  return std::fwrite(trimmed.data(), 1, trimmed.size(), stdout) ==
                 trimmed.size()
             ? 0
             : 1;
}
