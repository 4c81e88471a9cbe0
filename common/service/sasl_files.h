// Where the files of the Cyrus SASL library are: for authd, which has the
// library, and for whoever gives authd its rights.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"

namespace postern {

// Does this row of master.conf need the Cyrus library? One of smtpd does where
// it lets clients log in by it (smtpd_sasl_auth_enable, smtpd_sasl_type), one
// of authd where it says so itself (-o smtpd_sasl_type=cyrus). `main` is the
// configuration without the row's overrides.
bool needs_cyrus(std::string_view program, const config::NameValues& overrides,
                 const config::Config& main);

// Where APPLICATION.conf is looked for, in order: cyrus_sasl_config_path, or
// where that is empty DIRECTORY/sasl beside main.conf, /etc/sasl2,
// /usr/lib/sasl2.
std::vector<std::string> sasl_directories(const config::Config& config);

// What APPLICATION.conf says behind "name:"; empty: nothing.
std::string sasl_option(const config::Config& config,
                        std::string_view application, std::string_view name);

// The files that the library opens later than at its start: sasldb2.
std::vector<std::string> sasl_files(const config::Config& config);

}  // namespace postern
