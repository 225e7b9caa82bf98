// SPDX-License-Identifier: BSD-2-Clause-Patent
// IGVM files for tests: the smallest valid one of each kind, and the means to damage one at a known
// place and make its checksum right again, so that the rule behind the checksum gets its turn.
#pragma once

#include "igvm/format/crc32.h"
#include "igvm/format/vp_context.h"
#include "igvm/format/writer.h"
#include "x86/vmsa.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace vestibule::igvm::test {

using Bytes = std::vector<u8>;

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

template <class T>
void store(Bytes& file, u64 offset, const T& value) {
    ASSERT_LE(offset + sizeof(T), file.size());
    std::memcpy(file.data() + offset, &value, sizeof(T));
}

/// A page that begins with the bytes of `value`.
template <class T>
Bytes page_with(const T& value) {
    Bytes page(page_size);
    std::memcpy(page.data(), &value, sizeof(T));
    return page;
}

/// Makes the checksum right, as far as the fixed header says where the headers are.
inline void reseal(Bytes& file) {
    if (file.size() < sizeof(FixedHeader)) {
        return;
    }
    const auto header = load<FixedHeader>(file);
    const u64 fixed   = header.format_version == 2 ? sizeof(FixedHeaderV2) : sizeof(FixedHeader);
    const u64 start   = header.variable_header_offset;
    if (fixed > file.size() || start > file.size()
        || header.variable_header_size > file.size() - start) {
        return;
    }
    store(file, offsetof(FixedHeader, checksum), u32{0});
    Crc32 crc;
    crc.add(std::span(file).first(fixed));
    crc.add(std::span(file).subspan(start, header.variable_header_size));
    store(file, offsetof(FixedHeader, checksum), crc.value());
}

/// File offset of the content of the `number`th header that carries a T.
template <class T>
u64 content_of(const Bytes& file, unsigned number = 0) {
    const auto parsed = parse(file);
    EXPECT_TRUE(parsed);
    for (const auto& section :
         {parsed->platforms(), parsed->initialization(), parsed->directives()}) {
        for (const Header header : section) {
            if (carries<T>(header.type) && number-- == 0) {
                return header.offset;
            }
        }
    }
    ADD_FAILURE() << "no such header";
    return 0;
}

inline Bytes must_finish(const Writer& writer) {
    auto file = writer.finish();
    EXPECT_TRUE(file) << file.error().rule_name() << " at " << file.error().offset;
    return file ? *file : Bytes{};
}

inline NativeVpContext native_context() {
    NativeVpContext context{};
    context.rip             = 0x20'1000;
    context.rflags          = 2;
    context.code.selector   = 8;
    context.code.attributes = 0xA09B;
    context.code.limit      = ~u32{0};
    context.data.selector   = 0x10;
    context.data.attributes = 0xC093;
    context.data.limit      = ~u32{0};
    context.cr0             = 0x8001'0031;
    context.cr3             = 0x20'0000;
    context.cr4             = 0x60;
    context.efer            = 0xD00;
    return context;
}

inline x86::Vmsa vmsa(u64 sev_features) {
    const x86::Segment data{.selector = 0x10, .attributes = 0xC93, .limit = ~u32{0}, .base = 0};
    x86::Vmsa vmsa{};
    vmsa.es = vmsa.ss = vmsa.ds = vmsa.fs = vmsa.gs = data;
    vmsa.cs           = {.selector = 8, .attributes = 0xA9B, .limit = ~u32{0}, .base = 0};
    vmsa.ldtr         = {.selector = 0, .attributes = 0x82, .limit = 0xFFFF, .base = 0};
    vmsa.tr           = {.selector = 0, .attributes = 0x8B, .limit = 0xFFFF, .base = 0};
    vmsa.efer         = 0x1D00;
    vmsa.cr4          = 0x60;
    vmsa.cr3          = 0x20'0000;
    vmsa.cr0          = 0x8001'0031;
    vmsa.dr7          = 0x400;
    vmsa.dr6          = 0xFFFF'0FF0;
    vmsa.rflags       = 2;
    vmsa.rip          = 0x20'1000;
    vmsa.g_pat        = 0x0007'0406'0007'0406;
    vmsa.sev_features = sev_features;
    vmsa.xcr0         = 1;
    vmsa.mxcsr        = 0x1F80;
    vmsa.x87_fcw      = 0x37F;
    return vmsa;
}

} // namespace vestibule::igvm::test
