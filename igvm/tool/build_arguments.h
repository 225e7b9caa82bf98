// SPDX-License-Identifier: BSD-2-Clause-Patent
// build's command line: what it takes, and what that says to the library.
#pragma once

#include "igvm/image/build.h"
#include "igvm/tool/report_data.h"
#include "igvm/tool/verbs.h"
#include "igvm/vmm/profiles.h"

namespace vestibule::igvm {

struct BuildArguments {
    std::string out;
    std::string flash; // instead
    bool direct_boot = false;
    std::string monitor; // that the file is for
    std::string stub;
    std::string payload;
    std::optional<u64> payload_address;
    std::string payload_protocol = "auto";
    std::string initrd;
    std::string command_line;
    std::string manifest;
    std::vector<std::string> platforms; // native and sev-es, or the monitor's, where none is named
    std::string entry;                  // its name, if one was given
    std::vector<std::string> parameters;
    std::string policy;
    std::string accept = "all";
    std::optional<u64> vmpl;
    std::string service;
    ReportDataArguments report;
    std::optional<u64> memory;
    std::optional<u64> memory_below_4g;
    BuildOptions options;
};

/// A mode by the name that --entry knows, with the built-in images that are entered in it: with the
/// selftest, and for a payload that is placed beside.
struct EntryName {
    std::string_view name;
    boot::Entry entry;
    std::span<const u8> (*selftest)();
    std::span<const u8> (*hand_over)();
};

void add_build_options(CLI::App& verb, BuildArguments& arguments);

/// Wrong use of them is a CLI::ValidationError.
const EntryName& entry_of(const BuildArguments& arguments);
PayloadProtocol protocol_of(const BuildArguments& arguments);
BuildOptions options_of(const BuildArguments& arguments);

/// The monitor of --for, or null.
const VmmProfile* monitor_of(const BuildArguments& arguments);

} // namespace vestibule::igvm
