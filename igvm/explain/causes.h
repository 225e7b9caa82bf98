// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why a launch digest differs from the one that was expected: every cause that has been met, as a
// table of ways to alter a launch. explain.h tries them, alone and together.
#pragma once

#include "igvm/measure/kernel_hashes.h"
#include "igvm/measure/launch.h"
#include "x86/vmsa.h"

#include <functional>

namespace vestibule::igvm {

/// What a launch is computed from, besides the file.
struct Plan {
    LaunchOptions options;
    std::optional<DirectBoot> boot;
    std::optional<u32> other_file{}; // NOLINT(readability-redundant-member-init): may go unnamed
};

/// What a cause alters: exactly one of the three functions is there.
struct Cause {
    std::string name;
    std::string who;   // does it, and why
    std::string group; // causes of one group exclude each other

    std::function<void(Plan&)> plan;
    std::function<std::string(const Plan&)> value; // of the altered thing, in words
    u32 vcpus = 0;                                 // so many, where that is all of it

    std::function<void(std::vector<Step>&)> steps;
    std::string here{};  // NOLINT(readability-redundant-member-init): what they alter, in words,
    std::string there{}; // NOLINT(readability-redundant-member-init): where the pages do not say it

    std::function<void(x86::Vmsa&)> vmsa;
    bool first_vcpu = true;   // whether it is altered there,
    bool others     = true;   // and there
    bool narrower   = false;  // whether others of its name are for fewer vCPUs
    bool rare       = false;  // no monitor is known to do it: not tried in threes
    std::string_view field{}; // NOLINT(readability-redundant-member-init): may go unnamed
    u64 offset = 0;
    u64 size   = 0;

    [[nodiscard]] bool is_of_vmsa() const { return static_cast<bool>(vmsa); }
};

/// What else may have been booted, by the names that the user has for it.
struct Alternatives {
    struct File {
        std::string name;
        Digest256 hash;
    };

    /// An IGVM file that may have been launched instead.
    struct OtherFile {
        std::string cause; // the name of the cause
        std::string value; // and of the file
        std::string who;
    };

    std::vector<File> kernels;
    std::vector<File> initrds;
    std::vector<std::string> command_lines;
    std::vector<OtherFile> other_files{}; // NOLINT(readability-redundant-member-init)
    std::vector<Cause> of_file{}; // NOLINT(readability-redundant-member-init): file_causes.h
};

/// The causes that can apply to such a launch. Those that alter its end stand last, so that
/// neighbours have most of the chain in common.
std::vector<Cause> causes_for(const Plan& plan, const Alternatives& alternatives = {});

} // namespace vestibule::igvm
