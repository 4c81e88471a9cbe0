#include "smtp/extensions.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

// A reply line without its code: "250-SIZE 100" gives "SIZE 100".
std::string_view after_code(std::string_view line) {
  return line.size() > 4 ? line.substr(4) : std::string_view();
}

std::vector<std::string> upper_words(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (std::size_t i = 1; i < words.size(); ++i)
    out.push_back(to_upper(words[i]));
  return out;
}

void note(Features& features, const std::vector<std::string>& words) {
  const std::string keyword = to_upper(words[0]);
  if (keyword == "PIPELINING") features.pipelining = true;
  if (keyword == "8BITMIME") features.eight_bit = true;
  if (keyword == "DSN") features.dsn = true;
  if (keyword == "SMTPUTF8") features.smtputf8 = true;
  if (keyword == "STARTTLS") features.starttls = true;
  if (keyword == "XFORWARD") features.xforward = upper_words(words);
  if (keyword == "SIZE") {
    features.size = true;
    if (words.size() > 1)
      features.size_limit =
          std::max<std::int64_t>(parse_number(words[1]).value_or(0), 0);
  }
  if (keyword == "AUTH") {
    features.auth = true;
    features.auth_mechanisms = upper_words(words);
  }
}

}  // namespace

bool Features::forwards(std::string_view attribute) const {
  return std::find(xforward.begin(), xforward.end(), attribute) !=
         xforward.end();
}

Features parse_features(const mail::ParsedReply& reply,
                        const std::vector<std::string>& discarded) {
  Features features;
  features.extended = true;
  for (std::size_t i = 1; i < reply.lines.size(); ++i) {
    const auto words = split_words(after_code(reply.lines[i]), " \t=");
    if (words.empty()) continue;
    const bool unwanted = std::find(discarded.begin(), discarded.end(),
                                    to_lower(words[0])) != discarded.end();
    if (!unwanted) note(features, words);
  }
  return features;
}

std::string announced_name(const mail::ParsedReply& reply) {
  if (reply.lines.empty()) return {};
  const auto words = split_words(after_code(reply.lines[0]), " \t");
  return words.empty() ? std::string() : words[0];
}

}  // namespace postern::smtp
