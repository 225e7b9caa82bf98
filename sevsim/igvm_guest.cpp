// SPDX-License-Identifier: BSD-2-Clause-Patent
// See igvm_guest.h.
#include "sevsim/igvm_guest.h"

#include "igvm/format/vp_context.h"
#include "igvm/show/describe.h"
#include "igvm/tool/file_io.h"
#include "sevsim/linux_boot.h"
#include "x86/registers.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>

namespace vestibule::sevsim {

namespace {

using igvm::PlatformType;

std::unexpected<std::string> refuse(const std::string& path, std::string_view why) {
    return std::unexpected(fmt::format("{}: {}", path, why));
}

bool has(std::span<const u8> bytes, u64 offset, std::string_view text) {
    return bytes.size() >= offset + text.size()
           && std::ranges::equal(bytes.subspan(offset, text.size()), text, {},
                                 [](u8 byte) { return static_cast<char>(byte); });
}

/// What a file that is no IGVM file is, and how it is run; empty where nobody knows.
std::string_view other_kind(std::span<const u8> bytes) {
    constexpr u64 volume_signature = 0x28; // EFI_FIRMWARE_VOLUME_HEADER
    if (has(bytes, linux_boot::header_magic_offset, "HdrS")) {
        return "this is a Linux kernel: try --kernel";
    }
    if (has(bytes, volume_signature, "_FVH")) {
        return "this is a firmware volume: try --firmware";
    }
    if (has(bytes, 0,
            "\x7F"
            "ELF")) {
        return "this is an ELF file: igvmtool build --payload makes an IGVM file of one";
    }
    return "igvmtool build makes one";
}

/// What the file says of the machine that it was built for.
struct Facts {
    std::optional<unsigned> c_bit; // none where its page tables are made at run time
    u32 vcpus = 0;
};

/// By the first entry of the top page table, which carries it or cannot be read.
std::optional<unsigned> c_bit_of(const igvm::File& file, u32 mask, u64 cr3) {
    constexpr unsigned positions[] = {47, 51};
    constexpr u64 address          = 0x7F'FFFF'F000; // of what lies below each of them
    for (const igvm::Header header : file.directives(mask)) {
        const auto page = header.as<igvm::PageData>();
        if (!page || page->gpa != (cr3 & address)) {
            continue;
        }
        const auto bytes = file.data(*page);
        for (u64 at = 0; at < bytes.size(); at += sizeof(u64)) {
            const u64 entry = igvm::load<u64>(bytes, at);
            for (const unsigned position : positions) {
                if ((entry & 1) != 0 && (entry >> position & 1) != 0) {
                    return position;
                }
            }
        }
    }
    return std::nullopt;
}

Facts facts_of(const igvm::File& file, u32 mask) {
    Facts facts;
    for (const igvm::Header header : file.directives(mask)) {
        const auto context = header.as<igvm::VpContext>();
        if (!context) {
            continue;
        }
        ++facts.vcpus;
        // parse() has seen that it is there.
        const auto vmsa = igvm::load<x86::Vmsa>(file.data(context->file_offset, sizeof(x86::Vmsa)));
        if ((vmsa.cr0 & x86::cr0::pg) != 0 && !facts.c_bit) {
            facts.c_bit = c_bit_of(file, mask, vmsa.cr3);
        }
    }
    return facts;
}

} // namespace

std::expected<RunOptions, std::string> options_for_igvm(const RunOptions& options) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(options.file, error)) {
        return options; // guest_file.h says what it is
    }
    const auto mapped = igvm::MappedFile::open(options.file);
    if (!mapped) {
        return std::unexpected(mapped.error());
    }
    if (!has(mapped->bytes(), 0, "IGVM")) {
        return refuse(options.file, fmt::format("not an IGVM file: expected the bytes 'IGVM' at "
                                                "offset 0; {}",
                                                other_kind(mapped->bytes())));
    }
    const auto file = igvm::parse(mapped->bytes());
    if (!file) {
        return refuse(options.file, igvm::describe(file.error()));
    }
    const auto platform = igvm::platform_named(options.platform).value_or(PlatformType::native);
    const u32 mask      = file->mask_of(platform);
    if (mask == 0) {
        return refuse(options.file, fmt::format("found platforms {}, expected {} among them (see "
                                                "--platform)",
                                                igvm::names_of(*file, igvm::all_platforms),
                                                igvm::name_of(platform)));
    }
    RunOptions result = options;
    if (platform == PlatformType::native) {
        return result;
    }
    const Facts facts = facts_of(*file, mask);
    if (facts.c_bit && options.c_bit_given && *facts.c_bit != options.c_bit) {
        return refuse(options.file,
                      fmt::format("its page tables have the C-bit at {}, so --cbit {} "
                                  "contradicts it",
                                  *facts.c_bit, options.c_bit));
    }
    result.c_bit = facts.c_bit.value_or(options.c_bit);
    if (facts.vcpus > most_vcpus) {
        return refuse(options.file, fmt::format("it starts {} vCPUs, and this machine has at most "
                                                "{}",
                                                facts.vcpus, most_vcpus));
    }
    if (facts.vcpus != 0 && options.vcpus_given && facts.vcpus != options.vcpus) {
        return refuse(options.file,
                      fmt::format("it starts {} vCPU{}, so --smp {} contradicts it", facts.vcpus,
                                  facts.vcpus == 1 ? "" : "s", options.vcpus));
    }
    result.vcpus = facts.vcpus == 0 ? options.vcpus : facts.vcpus;
    if (result.vcpus != 1 && options.profile) {
        return refuse(options.file, fmt::format("it starts {} vCPUs, and --profile counts "
                                                "instructions by a clock that all vCPUs share",
                                                result.vcpus));
    }
    return result;
}

} // namespace vestibule::sevsim
