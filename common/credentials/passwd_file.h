// Files of users and passwords that other programs keep, a line each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/credentials/foreign_hash.h"

namespace postern::credentials {

struct ImportedUser {
  std::string name;  // as it stands in the file
  ForeignHash password;
  bool disabled = false;
};

struct ImportedLine {
  std::optional<ImportedUser> user;  // none: a comment, or `trouble`
  std::string trouble;
};

// A line of a Dovecot passwd-file, of shadow(5), of an htpasswd file, or plain
// "user:hash": the first field is the name, the second the password, the
// others are passed over. A password of "*" or "!", or one behind "!", is
// that of a disabled user (who must have a hash to be taken over).
ImportedLine passwd_line(std::string_view line,
                         std::string_view default_scheme);

// A dump of /etc/sasldb2, as "db_dump -p" of Berkeley DB prints it. Keys are
// name, realm and property; only userPassword is read, which is in the clear.
struct ImportedFile {
  std::vector<ImportedUser> users;
  std::vector<std::string> troubles;
};
ImportedFile sasldb_dump(std::string_view text);

// Is this name of a user fit for the store? Not empty, at most 255 bytes of
// UTF-8, no control characters, no space, no ":"
bool valid_user_name(std::string_view name);

}  // namespace postern::credentials
