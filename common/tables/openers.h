// What opens each kind of table; table.cc picks by Spec::kind.
#pragma once

#include <memory>

#include "common/tables/table.h"

namespace postern::tables {

using Opened = Result<std::unique_ptr<Table>>;

Opened open_texthash(const Spec& spec, const OpenOptions& options);
Opened open_inline(const Spec& spec, const OpenOptions& options);
Opened open_static(const Spec& spec, const OpenOptions& options);
Opened open_fail(const Spec& spec, const OpenOptions& options);
Opened open_randmap(const Spec& spec, const OpenOptions& options);
Opened open_unix(const Spec& spec, const OpenOptions& options);
Opened open_environ(const Spec& spec, const OpenOptions& options);
Opened open_unionmap(const Spec& spec, const OpenOptions& options);
Opened open_pipemap(const Spec& spec, const OpenOptions& options);
Opened open_cidr(const Spec& spec, const OpenOptions& options);
Opened open_regexp(const Spec& spec, const OpenOptions& options);
Opened open_pcre(const Spec& spec, const OpenOptions& options);
// From the text of a rule file instead of the file: regexp:, pcre:, cidr:.
Opened regexp_from_text(const Spec& spec, std::string_view text,
                        const OpenOptions& options);
Opened pcre_from_text(const Spec& spec, std::string_view text,
                      const OpenOptions& options);
Opened cidr_from_text(const Spec& spec, std::string_view text,
                      const OpenOptions& options);
// For tables that are read from a file into memory: read again by `open` when
// the file has changed, looked for at most once a second. What cannot be read
// any more is said once, and the old content stays.
Opened open_followed(const Spec& spec, const OpenOptions& options,
                     Opened (*open)(const Spec&, const OpenOptions&));
Opened open_indexed(const Spec& spec, const OpenOptions& options);
Opened open_lmdb(const Spec& spec, const OpenOptions& options);
Opened open_cdb(const Spec& spec, const OpenOptions& options);

}  // namespace postern::tables
