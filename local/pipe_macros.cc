#include "local/pipe_macros.h"

#include <algorithm>
#include <string_view>

#include "common/base/text.h"
#include "local/command.h"

namespace postern::local {
namespace {

constexpr std::string_view of_recipient[] = {
    "recipient", "original_recipient", "user", "extension", "mailbox",
    "domain"};

// Of the message, and the attribute that each is.
constexpr std::pair<std::string_view, const char*> attributes[] = {
    {"client_address", "log_client_address"},
    {"client_helo", "log_helo_name"},
    {"client_hostname", "log_client_name"},
    {"client_port", "log_client_port"},
    {"client_protocol", "log_protocol_name"},
    {"sasl_method", "sasl_method"},
    {"sasl_sender", "sasl_sender"},
    {"sasl_username", "sasl_username"},
};

constexpr std::string_view others[] = {"sender", "nexthop", "size",
                                       "queue_id"};

template <class Table>
bool among(const Table& table, std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) !=
         std::end(table);
}

const char* attribute_of(std::string_view name) {
  for (const auto& [macro, attribute] : attributes)
    if (macro == name) return attribute;
  return nullptr;
}

bool is_name(char c) { return is_alnum(c) || c == '_'; }

Trouble wrong(std::string text) { return give_up("3.5", std::move(text)); }

std::string folded(const std::string& address, const PipeRules& rules) {
  const mail::AddressParts parts = mail::split_address(address);
  std::string out = rules.has('u') ? to_lower(parts.local)
                                   : std::string(parts.local);
  if (parts.has_at) {
    out += '@';
    out += rules.has('h') ? to_lower(parts.domain) : std::string(parts.domain);
  }
  return rules.has('q') ? mail::quote_local_822(out) : out;
}

// user, extension, mailbox and domain.
Result<std::string> part_of(std::string_view name, const PipeRules& rules,
                            const std::string& address) {
  const mail::AddressParts parts = mail::split_address(address);
  if (name == "domain") {
    if (!parts.has_at)
      return wrong("no @ in recipient address: " + address);
    return rules.has('h') ? to_lower(parts.domain)
                          : std::string(parts.domain);
  }
  std::string local =
      rules.has('u') ? to_lower(parts.local) : std::string(parts.local);
  if (name == "mailbox") return local;
  const auto cut = mail::split_extension(
      local, {rules.recipient_delimiter, rules.owner_request_special,
              rules.double_bounce_sender});
  if (name == "extension")
    return cut ? std::string(cut->extension) : std::string();
  std::string user = cut ? std::string(cut->base) : local;
  if (user.empty()) return wrong("null username in \"" + address + "\"");
  return user;
}

std::string sender_of(const PipeRules& rules, const std::string& sender) {
  const std::string& shown = sender.empty() ? rules.null_sender : sender;
  return rules.has('q') ? mail::quote_local_822(shown) : shown;
}

Result<std::string> value_of(std::string_view name, const PipeRules& rules,
                             const ipc::DeliverRequest& request,
                             const ipc::DeliverRecipient* recipient) {
  if (const char* which = attribute_of(name)) return attribute(request, which);
  if (name == "sender") return sender_of(rules, request.sender);
  if (name == "nexthop")
    return rules.has('h') ? to_lower(request.nexthop) : request.nexthop;
  if (name == "size") return std::to_string(request.content_size);
  if (name == "queue_id") return request.queue_id;
  if (name == "recipient") return folded(recipient->address, rules);
  if (name == "original_recipient")
    return folded(recipient->original.empty() ? recipient->address
                                              : recipient->original,
                  rules);
  return part_of(name, rules, recipient->address);
}

// The name at `at` behind a "$", and where it ends.
struct Reference {
  std::string_view name;
  std::size_t end;
};
Result<Reference> reference_at(std::string_view text, std::size_t at) {
  const char open = at < text.size() ? text[at] : '\0';
  if (open == '{' || open == '(') {
    const std::size_t close = text.find(open == '{' ? '}' : ')', at);
    if (close == std::string_view::npos)
      return wrong("truncated macro reference: \"" + std::string(text) + "\"");
    return Reference{text.substr(at + 1, close - at - 1), close + 1};
  }
  std::size_t end = at;
  while (end < text.size() && is_name(text[end])) ++end;
  return Reference{text.substr(at, end - at), end};
}

}  // namespace

Result<PipeArgument> PipeArgument::parse(const std::string& text) {
  PipeArgument argument;
  std::string plain;
  const auto end_plain = [&] {
    if (!plain.empty()) argument.pieces_.push_back({plain, false});
    plain.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      plain += text[i++];
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == '$') {
      plain += '$';
      i += 2;
      continue;
    }
    const Result<Reference> found = reference_at(text, i + 1);
    if (!found) return found.trouble();
    const std::string_view name = found->name;
    if (!among(of_recipient, name) && !among(others, name) &&
        attribute_of(name) == nullptr)
      return wrong("unknown macro name: \"" + std::string(name) + "\"");
    end_plain();
    argument.pieces_.push_back({std::string(name), true});
    if (among(of_recipient, name)) argument.per_recipient_ = true;
    i = found->end;
  }
  end_plain();
  return argument;
}

Result<std::string> PipeArgument::fill(
    const PipeRules& rules, const ipc::DeliverRequest& request,
    const ipc::DeliverRecipient* recipient) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (!piece.name) {
      out += piece.text;
      continue;
    }
    const Result<std::string> value =
        value_of(piece.text, rules, request, recipient);
    if (!value) return value.trouble();
    // An argument ends at a zero byte, and with it what follows would go.
    if (value->find('\0') != std::string::npos)
      return wrong("zero byte in ${" + piece.text + "}");
    out += *value;
  }
  return out;
}

Status PipeArgument::expand(const PipeRules& rules,
                            const ipc::DeliverRequest& request,
                            std::vector<std::string>& out) const {
  if (!per_recipient_) {
    Result<std::string> word = fill(rules, request, nullptr);
    if (!word) return word.trouble();
    out.push_back(std::move(*word));
    return {};
  }
  for (const ipc::DeliverRecipient& each : request.recipients) {
    Result<std::string> word = fill(rules, request, &each);
    if (!word) return word.trouble();
    out.push_back(std::move(*word));
  }
  return {};
}

}  // namespace postern::local
