// SPDX-License-Identifier: BSD-2-Clause-Patent
// See payload.h. Which form a payload has, and the simplest of them.
#include "igvm/image/payload.h"

#include "igvm/format/reader.h"

namespace vestibule::igvm {

std::string_view name_of(PayloadFormat format) {
    switch (format) {
    case PayloadFormat::elf64: return "ELF64";
    case PayloadFormat::flat: return "flat binary";
    case PayloadFormat::bzimage: return "bzImage";
    case PayloadFormat::uki: return "UKI";
    }
    return "unknown";
}

PayloadFormat payload_format(std::span<const u8> bytes) {
    return kernel::form_of(elf_bytes(bytes));
}

bool takes_address(std::span<const u8> bytes) {
    switch (payload_format(bytes)) {
    case PayloadFormat::flat: return true;
    case PayloadFormat::bzimage:
    case PayloadFormat::uki: return false;
    case PayloadFormat::elf64: break;
    }
    elf::Header header;
    return !elf::read_header(elf_bytes(bytes), header).is_there()
           && header.type == elf::type_position_independent;
}

u32 first_bytes(std::span<const u8> bytes) {
    return bytes.size() < sizeof(u32) ? 0 : load<u32>(bytes);
}

static std::expected<Payload, ImageError>
read_flat(std::span<const u8> bytes, std::optional<u64> address, PayloadProtocol wanted) {
    Payload payload;
    if (const elf::Fault fault = kernel::choose(PayloadFormat::flat, wanted, false,
                                                first_bytes(bytes), payload.protocol);
        fault.is_there()) {
        return refuse(fault);
    }
    if (!address) {
        return refuse("an ELF64, a bzImage, a UKI, or an address for a flat binary", 0,
                      first_bytes(bytes));
    }
    if (bytes.empty()) {
        return refuse("a payload that is not empty", 0, 0);
    }
    if (*address % page_size != 0 || *address > payload_limit
        || bytes.size() > payload_limit - *address) {
        return refuse("a page-aligned address at which the payload ends below 4 GiB", 0, *address);
    }
    payload.base  = *address;
    payload.size  = (bytes.size() + page_size - 1) & ~(page_size - 1);
    payload.entry = *address;
    payload.blocks.push_back({.gpa = *address, .content = Content(bytes)});
    return payload;
}

std::expected<Payload, ImageError>
read_payload(std::span<const u8> bytes, std::optional<u64> address, PayloadProtocol protocol) {
    switch (payload_format(bytes)) {
    case PayloadFormat::elf64: return read_elf_payload(bytes, address, protocol);
    case PayloadFormat::bzimage:
    case PayloadFormat::uki: return read_linux_payload(bytes, protocol);
    case PayloadFormat::flat: break;
    }
    return read_flat(bytes, address, protocol);
}

} // namespace vestibule::igvm
