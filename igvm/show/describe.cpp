// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "igvm/show/describe.h"

#include "x86/registers.h"

#include <fmt/format.h>

namespace vestibule::igvm {

std::string_view name_of(PlatformType platform) {
    for (const PlatformName& row : platform_names) {
        if (row.platform == platform) {
            return row.name;
        }
    }
    return "unknown";
}

std::optional<PlatformType> platform_named(std::string_view name) {
    for (const PlatformName& row : platform_names) {
        if (row.name == (name == "snp" ? "sev-snp" : name)) {
            return row.platform;
        }
    }
    return std::nullopt;
}

std::string_view name_of(PageDataType type) {
    switch (type) {
    case PageDataType::normal: return "normal";
    case PageDataType::secrets: return "secrets";
    case PageDataType::cpuid_data: return "CPUID";
    case PageDataType::cpuid_xf: return "CPUID with XFEATURES";
    }
    return "unknown";
}

std::string_view cca_hash_name(u8 algorithm) {
    constexpr std::string_view names[] = {"SHA-256", "SHA-512", "SHA-384"};
    return algorithm < std::size(names) ? names[algorithm] : "an unknown hash";
}

std::string names_of(const File& file, u32 compatibility_mask) {
    std::string names;
    u32 undeclared = compatibility_mask == all_platforms ? 0 : compatibility_mask;
    for (const Header header : file.platforms()) {
        const auto platform = load<SupportedPlatform>(header.content);
        undeclared &= ~platform.compatibility_mask;
        if ((platform.compatibility_mask & compatibility_mask) != 0) {
            names += names.empty() ? "" : ", ";
            names += name_of(platform.platform_type);
        }
    }
    if (undeclared != 0) {
        names += fmt::format("{}undeclared {:#x}", names.empty() ? "" : ", ", undeclared);
    }
    return names.empty() ? "no platform" : names;
}

std::string describe(const Error& error) {
    const std::string header = error.header_index == Error::no_header
                                   ? ""
                                   : fmt::format(" (header {})", error.header_index);
    const std::string wanted = error.wanted ? fmt::format(", {:#x}", *error.wanted) : "";
    const bool is_other      = error.rule == Rule::whole_fixed_header || error.rule == Rule::magic;
    return fmt::format("{}offset {:#x}{}: found {:#x}, expected {}{}",
                       is_other ? "not an IGVM file: " : "", error.offset, header, error.found,
                       error.expected(), wanted);
}

/// AMD64 APM volume 2, tables 4-3 to 4-6, with attributes as in a VMSA.
static std::string attributes_in_words(u16 attributes) {
    const auto has     = [&](unsigned number) { return ((attributes >> number) & 1) != 0; };
    const bool code    = has(3);
    const bool user    = has(4); // S: code or data
    const bool l       = has(9);
    const bool big     = has(10);
    const unsigned dpl = (attributes >> 5) & 3;
    if (attributes == 0) {
        return "unusable";
    }
    std::string words;
    if (!user) {
        const unsigned type = attributes & 0xF;
        words               = type == 2    ? "LDT"
                              : type == 3  ? "busy 16-bit TSS"
                              : type == 9  ? "TSS"
                              : type == 11 ? "busy TSS"
                                           : fmt::format("system type {}", type);
    } else if (code) {
        words = fmt::format("{}-bit code{}", l ? 64 : big ? 32 : 16, has(1) ? ", readable" : "");
    } else {
        words = fmt::format("data{}{}", has(1) ? ", writable" : ", read-only",
                            has(2) ? ", expand-down" : "");
    }
    return fmt::format("{}, DPL {}{}", words, dpl, has(7) ? "" : ", not present");
}

std::string mode_in_words(u64 cr0, u64 efer, u16 code_attributes) {
    const bool l        = (code_attributes & (1u << 9)) != 0;
    const unsigned bits = (code_attributes & (1u << 10)) != 0 ? 32 : 16;
    if ((cr0 & x86::cr0::pe) == 0) {
        return "real mode";
    }
    if ((cr0 & x86::cr0::pg) == 0) {
        return fmt::format("{}-bit legacy protected mode, paging off", bits);
    }
    if ((efer & x86::efer::lme) == 0) {
        return fmt::format("{}-bit legacy protected mode, paging on", bits);
    }
    return l ? "64-bit mode" : fmt::format("{}-bit compatibility mode", bits);
}

std::string describe(const x86::Segment& segment) {
    return fmt::format("sel {:04x}  base {:x}  limit {:x}  attr {:03x}: {}", segment.selector,
                       segment.base, segment.limit, segment.attributes,
                       attributes_in_words(segment.attributes));
}

std::string describe(const NativeSegment& segment) {
    return fmt::format("sel {:04x}  base {:x}  limit {:x}  attr {:04x}: {}", segment.selector,
                       segment.base, segment.limit, segment.attributes,
                       attributes_in_words(x86::vmsa_attributes(segment.attributes)));
}

static std::string line(std::string_view name, std::string_view value) {
    return fmt::format("{:<16} {}", name, value);
}

std::vector<std::string> context_lines(ContextKind kind, std::span<const u8> page) {
    std::vector<std::string> lines;
    for (const ContextField& field : context_segments(kind)) {
        if (kind == ContextKind::native) {
            lines.push_back(line(field.name, describe(load<NativeSegment>(page, field.offset))));
            continue;
        }
        const auto segment = load<x86::Segment>(page, field.offset);
        if (segment.selector != 0 || segment.attributes != 0 || segment.limit != 0
            || segment.base != 0) {
            lines.push_back(line(field.name, describe(segment)));
        }
    }
    for (const ContextRegister& found : set_registers(kind, page)) {
        lines.push_back(line(found.name, fmt::format("{:#x}", found.value)));
    }
    return lines;
}

} // namespace vestibule::igvm
