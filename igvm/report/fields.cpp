// SPDX-License-Identifier: BSD-2-Clause-Patent
// See fields.h.
#include "igvm/report/fields.h"

#include "igvm/format/guest_policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
struct Models {
    CpuGeneration generation;
    u8 family, first, last;
};

constexpr Models models[] = {
    {.generation = CpuGeneration::milan, .family = 0x19, .first = 0x00, .last = 0x0F},
    {.generation = CpuGeneration::genoa, .family = 0x19, .first = 0x10, .last = 0x1F},
    {.generation = CpuGeneration::genoa, .family = 0x19, .first = 0xA0, .last = 0xAF},
    {.generation = CpuGeneration::turin, .family = 0x1A, .first = 0x00, .last = 0x11},
};

constexpr TcbPart old_parts[] = {
    {.name = "bl",    .words = "boot loader", .byte = 0},
    {.name = "tee",   .words = "TEE",         .byte = 1},
    {.name = "snp",   .words = "SNP",         .byte = 6},
    {.name = "ucode", .words = "microcode",   .byte = 7},
};
constexpr TcbPart turin_parts[] = {
    {.name = "fmc",   .words = "FMC",         .byte = 0},
    {.name = "bl",    .words = "boot loader", .byte = 1},
    {.name = "tee",   .words = "TEE",         .byte = 2},
    {.name = "snp",   .words = "SNP",         .byte = 3},
    {.name = "ucode", .words = "microcode",   .byte = 7},
};

constexpr PlatformBit platform_info_bits[] = {
    {.number = 0, .name = "smt",               .words = "SMT is on"                              },
    {.number = 1, .name = "tsme",              .words = "all memory is encrypted (TSME)"         },
    {.number = 2, .name = "ecc",               .words = "memory has ECC"                         },
    {.number = 3, .name = "rapl-disabled",     .words = "RAPL is off"                            },
    {.number = 4, .name = "ciphertext-hiding", .words = "the host cannot read ciphertext"        },
    {.number = 5, .name = "alias-check",       .words = "memory was checked for aliases (BadRAM)"},
    {.number = 7, .name = "tio",               .words = "trusted I/O is on"                      },
};

constexpr std::string_view generation_names[] = {"Milan", "Genoa", "Turin"};

std::string_view signing_key_name(unsigned key) {
    return key == signing_key::vcek   ? "VCEK"
           : key == signing_key::vlek ? "VLEK"
           : key == signing_key::none ? "none"
                                      : "unknown";
}

std::string platform_in_words(u64 info) {
    std::string words = fmt::format("{:#x}", info);
    for (const PlatformBit& row : platform_info_bits) {
        if ((info >> row.number & 1) != 0) {
            words += fmt::format(", {}", row.words);
        }
        info &= ~(u64{1} << row.number);
    }
    return info == 0 ? words : words + fmt::format(", and bits {:#x} that nobody here knows", info);
}
} // namespace

std::string_view name_of(CpuGeneration generation) {
    return generation_names[static_cast<unsigned>(generation)];
}

std::optional<CpuGeneration> generation_of(const AttestationReport& report) {
    constexpr u32 says_so = 3;
    for (const Models& row : models) {
        if (report.version >= says_so && report.cpu_family == row.family
            && report.cpu_model >= row.first && report.cpu_model <= row.last) {
            return row.generation;
        }
    }
    return std::nullopt;
}

std::optional<CpuGeneration> generation_named(std::string_view product) {
    struct Row {
        std::string_view name;
        CpuGeneration generation;
    };

    constexpr Row rows[] = {
        {.name = "Milan",   .generation = CpuGeneration::milan},
        {.name = "Genoa",   .generation = CpuGeneration::genoa},
        {.name = "Bergamo", .generation = CpuGeneration::genoa},
        {.name = "Siena",   .generation = CpuGeneration::genoa},
        {.name = "Turin",   .generation = CpuGeneration::turin},
    };
    for (const Row& row : rows) {
        if (product.starts_with(row.name)) {
            return row.generation;
        }
    }
    return std::nullopt;
}

std::span<const TcbPart> tcb_parts(CpuGeneration generation) {
    if (generation == CpuGeneration::turin) {
        return turin_parts;
    }
    return old_parts;
}

std::string tcb_in_words(u64 tcb, CpuGeneration generation) {
    std::string words;
    for (const TcbPart& part : tcb_parts(generation)) {
        words +=
            fmt::format("{}{} {}", words.empty() ? "" : ", ", part.words, tcb_value(tcb, part));
    }
    return words;
}

std::vector<std::string> tcb_below(u64 tcb, u64 least, CpuGeneration generation) {
    std::vector<std::string> parts;
    for (const TcbPart& part : tcb_parts(generation)) {
        if (tcb_value(tcb, part) < tcb_value(least, part)) {
            parts.push_back(fmt::format("{} {}, expected {} or more", part.words,
                                        tcb_value(tcb, part), tcb_value(least, part)));
        }
    }
    return parts;
}

std::span<const PlatformBit> platform_bits() { return platform_info_bits; }

std::vector<ReportLine> lines_of(const AttestationReport& report, CpuGeneration generation) {
    std::vector<ReportLine> lines;
    const auto add = [&](std::string_view name, std::string value) {
        lines.push_back({.name = std::string(name), .value = std::move(value)});
    };
    const auto tcb = [&](std::string_view name, u64 value) {
        add(name, fmt::format("{:#018x}: {}", value, tcb_in_words(value, generation)));
    };
    add("version", fmt::format("{}", report.version));
    add("guest_svn", fmt::format("{}", report.guest_svn));
    add("policy", fmt::format("{:#x}", report.policy));
    for (const PolicyLine& line : policy_lines(PlatformType::sev_snp, report.policy)) {
        add(line.is_warning ? "policy warning" : "policy says", line.text);
    }
    add("family_id", to_hex(report.family_id));
    add("image_id", to_hex(report.image_id));
    add("vmpl", fmt::format("{}", report.vmpl));
    add("signature_algorithm",
        fmt::format("{}{}", report.signature_algorithm,
                    report.signature_algorithm == 1 ? ": ECDSA on P-384 with SHA-384" : ""));
    tcb("current_tcb", report.current_tcb);
    add("platform_info", platform_in_words(report.platform_info));
    add("signing_key", std::string(signing_key_name(report.signing_key())));
    add("author_key", (report.flags & AttestationReport::author_key_enabled) != 0 ? "yes" : "no");
    add("chip_id_masked", (report.flags & AttestationReport::chip_id_masked) != 0 ? "yes" : "no");
    add("report_data", to_hex(report.report_data));
    add("measurement", to_hex(report.measurement));
    add("host_data", to_hex(report.host_data));
    add("id_key_digest", to_hex(report.id_key_digest));
    add("author_key_digest", to_hex(report.author_key_digest));
    add("report_id", to_hex(report.report_id));
    add("report_id_ma", to_hex(report.report_id_ma));
    tcb("reported_tcb", report.reported_tcb);
    if (report.version >= 3) {
        add("cpu", fmt::format("family {:#x}, model {:#x}, stepping {}", report.cpu_family,
                               report.cpu_model, report.cpu_stepping));
    }
    add("chip_id", to_hex(report.chip_id));
    tcb("committed_tcb", report.committed_tcb);
    add("current_version", fmt::format("{}.{}, build {}", report.current_major,
                                       report.current_minor, report.current_build));
    add("committed_version", fmt::format("{}.{}, build {}", report.committed_major,
                                         report.committed_minor, report.committed_build));
    tcb("launch_tcb", report.launch_tcb);
    if (report.version >= 5) {
        add("launch_mit_vector", fmt::format("{:#x}", report.launch_mit_vector));
        add("current_mit_vector", fmt::format("{:#x}", report.current_mit_vector));
    }
    add("signature_r", to_hex(report.signature.r));
    add("signature_s", to_hex(report.signature.s));
    return lines;
}

std::vector<std::string> addresses_of(const AttestationReport& report, CpuGeneration generation) {
    constexpr u64 turin_chip_id = 8; // of the 64 bytes
    const bool vlek             = report.signing_key() == signing_key::vlek;
    const std::string base      = fmt::format("https://kdsintf.amd.com/{}/v1/{}/",
                                         vlek ? "vlek" : "vcek", name_of(generation));
    std::string values;
    for (const TcbPart& part : tcb_parts(generation)) {
        values += fmt::format("{}{}SPL={:02}", values.empty() ? "?" : "&", part.name,
                              tcb_value(report.reported_tcb, part));
    }
    const auto chip =
        std::span(report.chip_id)
            .first(generation == CpuGeneration::turin ? turin_chip_id : sizeof(report.chip_id));
    return {vlek ? "the VLEK certificate from the cloud's operator" : base + to_hex(chip) + values,
            base + "cert_chain"};
}

} // namespace vestibule::igvm
