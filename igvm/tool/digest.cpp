// SPDX-License-Identifier: BSD-2-Clause-Patent
// See digest.h.
#include "igvm/tool/digest.h"

#include "igvm/measure/launch_digest.h"
#include "igvm/tool/progress.h"

#include <fmt/format.h>

namespace vestibule::igvm {

void add_digest_options(CLI::App& verb, DigestOptions& options) {
    verb.add_option("--digest", options.digest,
                    "The launch digest, 96 hexadecimal digits or 64 of base64, instead of "
                    "computing it");
    add_launch_options(verb, options.launch);
}

std::vector<u8> bytes_of_option(const std::string& option, const std::string& text, u64 size) {
    std::vector<u8> bytes = from_hex_or_base64(text, size);
    if (bytes.empty()) {
        throw CLI::ValidationError(
            option, fmt::format("found {}, expected {} hexadecimal digits", text, 2 * size));
    }
    return bytes;
}

const VmmProfile& monitor_of(const DigestOptions& options) {
    const std::string name = options.launch.vmm.empty() ? "qemu" : options.launch.vmm;
    const VmmProfile* vmm  = find_profile(name);
    if (vmm == nullptr) {
        throw CLI::ValidationError(
            "--vmm", fmt::format("found {}, expected one of `igvmtool check --list`", name));
    }
    return *vmm;
}

std::vector<u8> snp_digest(const DigestOptions& options) {
    if (!options.digest.empty()) {
        return bytes_of_option("--digest", options.digest, sizeof(SnpIdBlock::ld));
    }
    LaunchArguments arguments = options.launch;
    arguments.vmm             = monitor_of(options).name;
    arguments.platform        = "snp";
    const Subject subject(arguments);
    const auto launch = subject.launch(subject.options());
    if (!launch) {
        throw Failure(fmt::format("{}: {}", subject.path(), launch.error()));
    }
    u64 pages = 0;
    for (const Step& step : launch->steps) {
        pages += step.pages;
    }
    Progress progress("measured", "pages", pages);
    u64 done         = 0;
    const auto watch = [&](const Step& step, const Digest384&, const Chain&) {
        done += step.pages;
        progress.at(done);
    };
    return measure(*launch, all_threads(), watch, subject.start());
}

} // namespace vestibule::igvm
