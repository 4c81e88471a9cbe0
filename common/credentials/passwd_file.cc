#include "common/credentials/passwd_file.h"

#include "common/base/text.h"
#include "common/credentials/digest.h"

namespace postern::credentials {
namespace {

constexpr std::size_t longest_name = 255;

// "db_dump -p" writes what is not printable as a backslash and two digits.
std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (text.substr(i + 1, 1) == "\\") {
      out += '\\';
      ++i;
      continue;
    }
    const std::string byte = from_hex(text.substr(i + 1, 2));
    if (byte.size() != 1) return std::nullopt;
    out += byte;
    i += 2;
  }
  return out;
}

std::optional<ImportedUser> sasldb_user(const std::string& key,
                                        std::string value) {
  const std::vector<std::string> parts = split(key, '\0');
  if (parts.size() < 3 || parts[2] != "userPassword") return std::nullopt;
  ImportedUser user;
  user.name = parts[1].empty() ? parts[0] : parts[0] + "@" + parts[1];
  user.password = {"PLAIN", std::move(value)};
  return user;
}

}  // namespace

bool valid_user_name(std::string_view name) {
  if (name.empty() || name.size() > longest_name || !valid_utf8(name))
    return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ':')
      return false;
  return true;
}

ImportedLine passwd_line(std::string_view line,
                         std::string_view default_scheme) {
  line = trim(line);
  if (line.empty() || line.starts_with('#')) return {};
  const std::vector<std::string> fields = split(line, ':');
  if (fields.size() < 2) return {std::nullopt, "no \":\" behind the name"};
  ImportedUser user;
  user.name = fields[0];
  if (!valid_user_name(user.name))
    return {std::nullopt, "a name that cannot be one"};
  std::string_view password = fields[1];
  if (password.starts_with('!')) {
    user.disabled = true;
    password.remove_prefix(password.starts_with("!!") ? 2 : 1);
  }
  if (password.empty() || password == "*" || password == "x")
    return {std::nullopt, user.name + ": no password"};
  std::string why;
  auto hash = foreign_hash_from(password, default_scheme, &why);
  if (!hash) return {std::nullopt, user.name + ": " + why};
  user.password = std::move(*hash);
  return {std::move(user), ""};
}

ImportedFile sasldb_dump(std::string_view text) {
  ImportedFile file;
  bool data = false;
  std::optional<std::string> key;
  std::size_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (line == "HEADER=END") data = true;
    if (line == "DATA=END") break;
    if (!data || !line.starts_with(' ')) continue;
    std::optional<std::string> bytes =
        unescaped(std::string_view(line).substr(1));
    if (!bytes) {
      file.troubles.push_back("line " + std::to_string(number) +
                              ": not of the form of db_dump -p");
      key.reset();
      continue;
    }
    if (!key) {
      key = std::move(bytes);
      continue;
    }
    auto user = sasldb_user(*key, std::move(*bytes));
    key.reset();
    if (!user) continue;
    if (!valid_user_name(user->name) || user->password.data.empty())
      file.troubles.push_back("line " + std::to_string(number) +
                              ": a name or password that cannot be one");
    else
      file.users.push_back(std::move(*user));
  }
  if (!data) file.troubles.push_back("this is no output of db_dump -p");
  return file;
}

}  // namespace postern::credentials
