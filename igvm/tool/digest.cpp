// See digest.h.
#include "igvm/tool/digest.h"

#include "igvm/measure/digest.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/tool/progress.h"

#include <fmt/format.h>

namespace vestibule::igvm {

void add_digest_options(CLI::App& verb, DigestOptions& options) {
    verb.add_option("--digest", options.digest,
                    "The launch digest, 96 hexadecimal digits, instead of computing it");
    verb.add_option("--vmm", options.vmm, "The monitor to compute the digest for")
        ->capture_default_str();
    verb.add_option("--vcpus", options.vcpus, "vCPUs of the launch [as many as the file brings]");
}

std::vector<u8> bytes_of_option(const std::string& option, const std::string& text, u64 size) {
    std::vector<u8> bytes = from_hex_or_base64(text, size);
    if (bytes.empty()) {
        throw CLI::ValidationError(
            option, fmt::format("found {}, expected {} hexadecimal digits", text, 2 * size));
    }
    return bytes;
}

std::vector<u8> snp_digest(const std::string& path, const File& file,
                           const DigestOptions& options) {
    if (!options.digest.empty()) {
        return bytes_of_option("--digest", options.digest, sizeof(SnpIdBlock::ld));
    }
    const VmmProfile* vmm = find_profile(options.vmm);
    if (vmm == nullptr) {
        throw CLI::ValidationError(
            "--vmm", fmt::format("found {}, expected one of `igvmtool check --list`", options.vmm));
    }
    LaunchOptions launch_options;
    launch_options.platform = PlatformType::sev_snp;
    launch_options.vmm      = *vmm;
    launch_options.vcpus    = options.vcpus;
    const auto launch       = launch_of(file, launch_options);
    if (!launch) {
        throw Failure(fmt::format("{}: {}", path, launch.error()));
    }
    u64 pages = 0;
    for (const Step& step : launch->steps) {
        pages += step.pages;
    }
    Progress progress("measured", "pages", pages);
    u64 done = 0;
    return measure(*launch, all_threads(), [&](const Step& step, const Digest384&, const Chain&) {
        done += step.pages;
        progress.at(done);
    });
}

} // namespace vestibule::igvm
