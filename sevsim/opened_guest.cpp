// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/opened_guest.h"

#include "sevsim/measured_launch.h"
#include "sevsim/qemu_command.h"
#include "sevsim/sev_launch.h"
#include "sevsim/snp_launch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <span>

namespace vestibule::sevsim {

namespace {

/// The launch with the owner's session: says the measurement, by which the owner knows the guest,
/// and waits for the secret that is sent for it.
std::expected<void, std::string> launch_for_owner(const RunOptions& options, GuestFiles& opened) {
    const auto launch = start_sev_launch(options, opened.files);
    if (!launch) {
        return std::unexpected(launch.error());
    }
    opened.launch_digest = igvm::to_hex(launch->digest);
    fmt::print(stderr, "sevsim: measurement {} of API {}.{}.{} and policy {:#x}\n",
               launch->measurement(), sev_api_major, sev_api_minor, sev_build, options.sev_policy);
    if (!options.takes_secret) {
        return {};
    }
    fmt::print(stderr, "sevsim: waiting for {}_secret_header.b64 and {}_secret_payload.b64\n",
               options.session, options.session);
    const auto end    = std::chrono::steady_clock::now() + options.timeout;
    const auto module = take_launch_secret(
        options, *launch, [end, never = options.timeout == std::chrono::milliseconds::zero()] {
            return never || std::chrono::steady_clock::now() < end;
        });
    if (!module) {
        return std::unexpected(module.error());
    }
    auto file = memory_file(std::as_bytes(std::span{*module}));
    if (!file) {
        return std::unexpected(file.error());
    }
    opened.files.insert(opened.files.begin(), std::move(*file));
    return {};
}

/// Where the guest wants the hashes of a kernel; 0: nowhere. Firmware says it in its table of
/// GUIDs, and an IGVM file has them where cloud-hypervisor puts them.
std::expected<u64, std::string> place_of_hashes(const RunOptions& options,
                                                const OpenedFile& guest) {
    if (options.kind == GuestKind::igvm) {
        return igvm::profile_of(igvm::Vmm::cloud_hypervisor).kernel_hashes_at;
    }
    const std::string content = read_file(guest);
    const auto told           = parse_guest_firmware(content, options.file);
    if (!told) {
        return std::unexpected(told.error());
    }
    const auto& place = told->hash_table;
    return place ? place->gpa : 0;
}

/// The guest, with the kernel that it boots directly and the hashes of that.
std::expected<void, std::string> add_direct_boot(const RunOptions& options, OpenedFile& firmware,
                                                 GuestFiles& opened) {
    const auto place = place_of_hashes(options, firmware);
    if (!place) {
        return std::unexpected(place.error());
    }
    auto kernel      = open_guest_file(options.kernel, GuestKind::kernel);
    const auto table = direct_boot_hashes(options);
    if (!kernel || !table) {
        return std::unexpected(!kernel ? kernel.error() : table.error());
    }
    DirectBootHashes hashes{.gpa = *place, .table = {}};
    std::ranges::copy(*table, hashes.table);
    auto file = memory_file(std::as_bytes(std::span{&hashes, 1}));
    if (!file) {
        return std::unexpected(file.error());
    }
    opened.files.push_back(std::move(firmware));
    opened.files.push_back(std::move(*file));
    opened.files.push_back(std::move(*kernel));
    return {};
}

} // namespace

std::vector<int> GuestFiles::descriptors() const {
    std::vector<int> all;
    all.reserve(files.size());
    for (const OpenedFile& file : files) {
        all.push_back(file.descriptor.get());
    }
    return all;
}

u64 GuestFiles::size() const {
    u64 all = 0;
    for (const OpenedFile& file : files) {
        all += whole_pages(file.size);
    }
    return all;
}

std::expected<GuestFiles, std::string> open_guest_files(const RunOptions& options) {
    GuestFiles opened;
    auto guest = open_guest_file(options.file, options.kind);
    if (!guest) {
        return std::unexpected(guest.error());
    }
    if (options.kind == GuestKind::firmware && options.vcpus != 1) {
        const auto start = ap_start(*guest, options.file);
        if (!start) {
            return std::unexpected(start.error());
        }
        opened.ap_start = *start;
    }
    if (!options.kernel.empty()) {
        if (auto added = add_direct_boot(options, *guest, opened); !added) {
            return std::unexpected(added.error());
        }
    } else {
        opened.files.push_back(std::move(*guest));
    }
    if (options.kind == GuestKind::kernel || !options.kernel.empty()) {
        // As a file of its own, so that nothing in it can mean something to QEMU.
        auto command_line = memory_file(std::as_bytes(
            std::span{options.append.c_str(), options.append.size() + 1})); // with its zero
        if (!command_line) {
            return std::unexpected(command_line.error());
        }
        opened.files.push_back(std::move(*command_line));
        if (!options.initrd.empty()) {
            auto initrd = open_initrd(options.initrd);
            if (!initrd) {
                return std::unexpected(initrd.error());
            }
            opened.files.push_back(std::move(*initrd));
        }
    }
    if (options.is_snp()) {
        const auto module = launch_module(options, opened.files);
        if (!module) {
            return std::unexpected(module.error());
        }
        opened.launch_digest = launch_digest(*module);
        auto file            = memory_file(std::as_bytes(std::span{*module}));
        if (!file) {
            return std::unexpected(file.error());
        }
        opened.files.insert(opened.files.begin(), std::move(*file));
    }
    if (!options.session.empty()) {
        if (const auto launched = launch_for_owner(options, opened); !launched) {
            return std::unexpected(launched.error());
        }
    }
    if (opened.size() + loading_space > options.memory) {
        return std::unexpected(fmt::format("{}: {} bytes do not fit into {} MiB of guest memory, "
                                           "of which the monitor needs {} MiB "
                                           "while it loads them (see --memory)",
                                           options.file, opened.size(), options.memory / mib,
                                           loading_space / mib));
    }
    return opened;
}

} // namespace vestibule::sevsim
