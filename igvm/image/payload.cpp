// See payload.h. Which form a payload has, and the simplest of them.
#include "igvm/image/payload.h"

#include "igvm/format/reader.h"

#include <cstring>

namespace vestibule::igvm {

std::string_view name_of(PayloadFormat format) {
    switch (format) {
    case PayloadFormat::elf64: return "ELF64";
    case PayloadFormat::flat: return "flat binary";
    case PayloadFormat::bzimage: return "bzImage";
    }
    return "unknown";
}

PayloadFormat payload_format(std::span<const u8> bytes) {
    if (bytes.size() >= 4 && std::memcmp(bytes.data(), "\177ELF", 4) == 0) {
        return PayloadFormat::elf64;
    }
    return is_bzimage(bytes) ? PayloadFormat::bzimage : PayloadFormat::flat;
}

bool takes_address(std::span<const u8> bytes) {
    switch (payload_format(bytes)) {
    case PayloadFormat::flat: return true;
    case PayloadFormat::bzimage: return false;
    case PayloadFormat::elf64: break;
    }
    elf::Header header;
    return !elf::read_header(elf_bytes(bytes), header).is_there()
           && header.type == elf::type_position_independent;
}

static std::expected<Payload, ImageError> read_flat(std::span<const u8> bytes, u64 address) {
    if (bytes.empty()) {
        return refuse("a payload that is not empty", 0, 0);
    }
    if (address % page_size != 0 || address > payload_limit
        || bytes.size() > payload_limit - address) {
        return refuse("a page-aligned address at which the payload ends below 4 GiB", 0, address);
    }
    Payload payload;
    payload.base  = address;
    payload.size  = (bytes.size() + page_size - 1) & ~(page_size - 1);
    payload.entry = address;
    payload.blocks.push_back({.gpa = address, .content = Content(bytes)});
    return payload;
}

std::expected<Payload, ImageError>
read_payload(std::span<const u8> bytes, std::optional<u64> address, PayloadProtocol protocol) {
    const bool to_linux = protocol == PayloadProtocol::linux64;
    switch (payload_format(bytes)) {
    case PayloadFormat::elf64: {
        auto payload = read_elf_payload(bytes, address);
        if (payload && to_linux) {
            payload->kind  = boot::PayloadKind::linux64;
            payload->linux = kernel_without_header();
        }
        return payload;
    }
    case PayloadFormat::bzimage:
        if (protocol == PayloadProtocol::boot_info) {
            return refuse("a payload that takes boot info: an ELF64 or a flat binary", 0,
                          load<u32>(bytes));
        }
        return read_bzimage(bytes);
    case PayloadFormat::flat: break;
    }
    if (to_linux) {
        return refuse("a Linux kernel: a bzImage, or an ELF64 (vmlinux)", 0,
                      bytes.size() < sizeof(u32) ? 0 : load<u32>(bytes));
    }
    if (!address) {
        return refuse("an ELF64, a bzImage, or an address for a flat binary", 0,
                      bytes.size() < sizeof(u32) ? 0 : load<u32>(bytes));
    }
    return read_flat(bytes, *address);
}

} // namespace vestibule::igvm
