// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/measured_launch.h"

#include "igvm/format/reader.h"
#include "igvm/measure/firmware_launch.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/show/describe.h"
#include "igvm/tool/file_io.h"
#include "sevsim/firmware_volume.h"
#include "x86/sev.h"

#include <fmt/format.h>
#include <utility>

namespace vestibule::sevsim {

namespace {

using Launched = std::expected<std::vector<u8>, std::string>;

std::span<const u8> bytes_of(const std::string& text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

Launched measure(const RunOptions& options,
                 const std::expected<igvm::Launch, std::string>& launch) {
    if (!launch) {
        return std::unexpected(fmt::format("{}: {}", options.file, launch.error()));
    }
    return igvm::measure(*launch, igvm::all_threads());
}

igvm::LaunchOptions measured_as(const RunOptions& options) {
    igvm::LaunchOptions measured;
    measured.platform = measured_platform(options);
    measured.vcpus    = options.vcpus;
    return measured;
}

Launched measure_igvm(const RunOptions& options, const std::string& content) {
    const auto file = igvm::parse(bytes_of(content));
    if (!file) {
        return std::unexpected(fmt::format("{}: {}", options.file, igvm::describe(file.error())));
    }
    igvm::LaunchOptions measured = measured_as(options);
    std::vector<u8> table;
    if (!options.kernel.empty()) {
        auto hashes = direct_boot_hashes(options);
        if (!hashes) {
            return std::unexpected(hashes.error());
        }
        table                         = std::move(*hashes);
        measured.vmm.kernel_hashes_at = // the one of all monitors that has hashes of a kernel there
            igvm::profile_of(igvm::Vmm::cloud_hypervisor).kernel_hashes_at;
    }
    return measure(options, igvm::launch_of(*file, measured, table));
}

Launched measure_firmware(const RunOptions& options, const std::string& content) {
    const std::string launched = launched_firmware(options, content);
    const auto firmware        = parse_guest_firmware(launched, options.file);
    if (!firmware) {
        return std::unexpected(firmware.error());
    }
    igvm::FirmwareLaunchOptions measured{.launch     = measured_as(options),
                                         .hash_table = std::nullopt};
    const auto& hash_table = firmware->hash_table;
    if (!options.kernel.empty() && hash_table && hash_table->gpa != 0) {
        auto table = direct_boot_hashes(options);
        if (!table) {
            return std::unexpected(table.error());
        }
        measured.hash_table = std::move(*table);
    }
    measured.launch.vmm = igvm::profile_of(igvm::Vmm::qemu); // of whose -bios this is the machine
    if (options.secure_tsc) {
        measured.launch.sev_features = x86::SevFeatures::snp_active | x86::SevFeatures::secure_tsc;
    }
    return measure(options, igvm::launch_of(*firmware, measured));
}

std::expected<std::string, std::string> content_of(const std::string& path, const char* what) {
    auto file = igvm::MappedFile::open(path);
    if (!file) {
        return std::unexpected(fmt::format("{}: {}", what, file.error()));
    }
    const auto bytes = file->bytes();
    return std::string(bytes.begin(), bytes.end());
}

Launched measure_kernel(const RunOptions& options, const std::vector<OpenedFile>& files) {
    igvm::Launch launch;
    launch.platform = measured_platform(options);
    u64 gpa         = 0;
    for (const OpenedFile& file : files) {
        std::string content = read_file(file);
        content.resize((content.size() + page_size - 1) / page_size * page_size);
        launch.owned.emplace_back(content.begin(), content.end());
        const std::span<const u8> pages{launch.owned.back()};
        for (u64 at = 0; at < pages.size(); at += page_size, gpa += page_size) {
            launch.steps.push_back({.type = igvm::PageType::normal,
                                    .gpa  = gpa,
                                    .data = pages.subspan(at, page_size),
                                    .what = "page"});
        }
    }
    return igvm::measure(launch, igvm::all_threads());
}

} // namespace

igvm::PlatformType measured_platform(const RunOptions& options) {
    if (options.is_snp()) {
        return igvm::PlatformType::sev_snp;
    }
    return options.platform == "sev" ? igvm::PlatformType::sev : igvm::PlatformType::sev_es;
}

Launched measured_launch(const RunOptions& options, const std::vector<OpenedFile>& files) {
    switch (options.kind) {
    case GuestKind::igvm: return measure_igvm(options, read_file(files.front()));
    case GuestKind::firmware: return measure_firmware(options, read_file(files.front()));
    case GuestKind::kernel: return measure_kernel(options, files);
    }
    std::unreachable();
}

std::expected<std::vector<u8>, std::string> direct_boot_hashes(const RunOptions& options) {
    const auto kernel = content_of(options.kernel, "the kernel");
    if (!kernel) {
        return std::unexpected(kernel.error());
    }
    std::expected<std::string, std::string> initrd{};
    if (!options.initrd.empty()) {
        initrd = content_of(options.initrd, "the initrd");
    }
    if (!initrd) {
        return std::unexpected(initrd.error());
    }
    return igvm::hash_table({.kernel       = igvm::sha256(bytes_of(*kernel)),
                             .initrd       = igvm::sha256(bytes_of(*initrd)),
                             .command_line = options.append});
}

std::string launched_firmware(const RunOptions& options, const std::string& content) {
    return options.no_flash ? content : content.substr(variables_size(bytes_of(content)));
}

} // namespace vestibule::sevsim
