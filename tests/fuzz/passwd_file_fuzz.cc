// Password files of other programs, as lines and as dumps of sasldb2; hashes
// that are taken over must read the same from the store.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/base/text.h"
#include "common/credentials/passwd_file.h"
#include "common/credentials/scram_keys.h"

namespace {

using namespace postern::credentials;

void check(const ImportedUser& user) {
  if (!valid_user_name(user.name)) std::abort();
  std::string why;
  const auto again = foreign_hash_from(to_text(user.password), "CRYPT", &why);
  if (!again || again->data != user.password.data ||
      again->scheme != user.password.scheme)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const std::string& line : postern::split(text, '\n')) {
    const ImportedLine read = passwd_line(line, "CRYPT");
    if (read.user) check(*read.user);
    scram_keys_from(Hash::sha256, line);
  }
  for (const ImportedUser& user : sasldb_dump(text).users) check(user);
  return 0;
}
