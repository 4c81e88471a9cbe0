// In place of cyrus.cc in a build without the Cyrus library.
#include "authd/cyrus.h"

namespace postern::authd {

Result<std::unique_ptr<Cyrus>> Cyrus::start(const CyrusSettings&, Workers&,
                                            Workers&, log::Log) {
  return give_up("3.5",
                 "smtpd_sasl_type = cyrus: this build is without the Cyrus "
                 "library; smtpd_sasl_type = postern has users of its own");
}

}  // namespace postern::authd
