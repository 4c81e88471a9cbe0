// Which names a certificate stands for, against what is asked of it
// (postconf(5), smtp_tls_secure_cert_match). Pure.
#pragma once

#include <string_view>

namespace postern::tls {

// `certificate_name`: a DNS name of the certificate, "*.example.com" included.
// `pattern`: a host name, or ".example.com" for any name below it.
// `several_labels`: a wildcard stands for one or more labels, else for one.
bool name_matches(std::string_view certificate_name, std::string_view pattern,
                  bool several_labels);

// "AB:CD:…" or "abcd…": the same bytes?
bool same_fingerprint(std::string_view a, std::string_view b);

}  // namespace postern::tls
