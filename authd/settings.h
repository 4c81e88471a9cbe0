// What authd's parts are told of main.conf and master.conf.
#pragma once

#include <string>
#include <vector>

#include "authd/channels.h"
#include "authd/connection.h"
#include "authd/cyrus.h"
#include "authd/users.h"
#include "authd/workers.h"
#include "common/service/service.h"

namespace postern::authd {

Gate::Limits gate_limits(const config::Config& config);
Workers::Limits hash_limits(const config::Config& config);
// Of the threads that wait for saslauthd and sasldb2.
Workers::Limits cyrus_limits(const config::Config& config);
// Of the thread that only looks into the store.
Workers::Limits lookup_limits(const config::Config& config);
UserSettings user_settings(const config::Config& config);
std::vector<std::string> mechanism_names(const config::Config& config);

// smtpd_sasl_path of the rows whose smtpd lets clients log in by Cyrus, each
// once, in order.
std::vector<std::string> cyrus_applications(const Service& service);
CyrusSettings cyrus_settings(const config::Config& config,
                             const std::string& application);

}  // namespace postern::authd
