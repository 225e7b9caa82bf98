// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the tests of vc/ share: an interrupted frame in which every register holds bytes that occur
// nowhere else, instruction bytes in memory for it to stand at, and one #VC through vc::handle.
#pragma once

#include "tests/ghcb/mock.h"
#include "vc/handler.h"
#include <algorithm>
#include <bit>
#include <initializer_list>
#include <sys/mman.h>

namespace vestibule::test {

using Bytes = std::vector<u8>;

inline constexpr u16 kernel_code64 = 0x10;
inline constexpr u16 user_code64   = 0x33;

/// Two pages of which the second faults: instructions are put at the end of the first, so that one
/// byte read too many is seen.
class CodeAtPageEnd {
  public:
    CodeAtPageEnd()
        : pages{static_cast<u8*>(mmap(nullptr, 2 * page_size, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))} {
        mprotect(pages + page_size, page_size, PROT_NONE);
    }

    CodeAtPageEnd(const CodeAtPageEnd&)            = delete;
    CodeAtPageEnd& operator=(const CodeAtPageEnd&) = delete;

    ~CodeAtPageEnd() { munmap(pages, 2 * page_size); }

    /// The address of `code`, behind which the page has `room` bytes more.
    u64 place(const Bytes& code, u64 room = 0) {
        u8* start = pages + page_size - room - code.size();
        std::memcpy(start, code.data(), code.size());
        return reinterpret_cast<u64>(start);
    }

  private:
    u8* pages;
};

/// Every general register has eight bytes from 0x81 up that no other register has.
inline vc::Frame canary_frame() {
    vc::Frame frame{};
    u8 next = 0x81;
    for (u64* reg : {&frame.rax, &frame.rcx, &frame.rdx, &frame.rbx, &frame.rbp, &frame.rsi,
                     &frame.rdi, &frame.r8, &frame.r9, &frame.r10, &frame.r11, &frame.r12,
                     &frame.r13, &frame.r14, &frame.r15}) {
        for (unsigned n = 0; n < 8; ++n) {
            *reg = *reg << 8 | next++;
        }
    }
    frame.cs     = kernel_code64;
    frame.rflags = 0x0001'0A97; // RF among them
    frame.rsp    = 0x0000'7F91'A2B3'C4D8;
    frame.ss     = 0x18;
    return frame;
}

inline bool operator==(const vc::Frame& a, const vc::Frame& b) {
    using Words = std::array<u64, sizeof(vc::Frame) / 8>;
    return std::bit_cast<Words>(a) == std::bit_cast<Words>(b);
}

/// Bits of a page-table entry (APM volume 2, section 5.3).
namespace entry_bit {
inline constexpr u64 present  = 1;
inline constexpr u64 writable = 2;
inline constexpr u64 user     = 4;
inline constexpr u64 large    = 0x80;
inline constexpr u64 c_bit    = u64{1} << 51;
} // namespace entry_bit

inline constexpr u64 kernel_data = entry_bit::present | entry_bit::writable | entry_bit::c_bit;

class GuestTables {
  public:
    static constexpr u64 base  = 0x4000'0000; // guest-physical
    static constexpr u64 pages = 64;

    GuestTables()
        : memory{static_cast<u8*>(mmap(nullptr, pages * page_size, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))} {
        root = allocate();
    }

    GuestTables(const GuestTables&)            = delete;
    GuestTables& operator=(const GuestTables&) = delete;

    ~GuestTables() { munmap(memory, pages * page_size); }

    u64 direct_map() const { return reinterpret_cast<u64>(memory) - base; }

    u64& at(u64 gpa) const { return *reinterpret_cast<u64*>(memory + (gpa - base)); }

    u64 allocate() { return base + page_size * used++; }

    /// The entry of `level` (1: page table) that `linear` goes through; tables above it are made,
    /// with every right.
    u64& entry(u64 linear, unsigned level) {
        u64 table = root;
        for (unsigned n = levels;; --n) {
            u64& here = at(table + (linear >> (12 + 9 * (n - 1)) & 511) * 8);
            if (n == level) {
                return here;
            }
            if (here == 0) {
                here = allocate() | entry_bit::present | entry_bit::writable | entry_bit::user
                       | entry_bit::c_bit;
            }
            table = here & 0x0007'FFFF'FFFF'F000;
        }
    }

    unsigned levels = 4;
    u64 root        = 0;

  private:
    u8* memory;
    u64 used = 0;
};

class VcTest : public GhcbTest {
  protected:
    VcTest() {
        MockCpu::descriptors[user_code64 & ~3] = 0x00AF'FB00'0000'FFFF;
        MockCpu::cr3_value                     = tables.root | entry_bit::c_bit;
    }

    /// The page of an instruction as the guest's tables have it.
    u64& map_code(u64 rip, u64 bits = kernel_data | entry_bit::user) {
        u64& entry = tables.entry(rip, 1);
        entry      = code_gpa | bits;
        return entry;
    }

    /// Stands the frame at `code`, raises #VC with this error code, and hands over what came of it.
    /// The frame as it was is then in `before`.
    ghcb::Outcome handle(u64 error_code, const Bytes& code) {
        frame.rip = memory.place(code, room_behind_code);
        map_code(frame.rip);
        frame.error_code = error_code;
        before           = frame;
        context.ghcb     = channel;
        return vc::handle<MockCpu>(frame, context);
    }

    /// `before` as it must be after an instruction of `length` bytes was served, but for its
    /// results: past the instruction, RF (bit 16) clear.
    vc::Frame moved_on(size_t length) const {
        vc::Frame wanted = before;
        wanted.rip += length;
        wanted.rflags &= ~u64{0x1'0000};
        return wanted;
    }

    static constexpr u64 code_gpa = 0x1234'5000;

    CodeAtPageEnd memory;
    u64 room_behind_code = 0;
    GuestTables tables;
    vc::Frame frame = canary_frame();
    vc::Frame before{};
    vc::Context context{.ghcb           = {},
                        .c_bit          = entry_bit::c_bit,
                        .direct_map     = tables.direct_map(),
                        .kernel_code64  = kernel_code64,
                        .page_addresses = vc::page_addresses(0, entry_bit::c_bit)};
};

/// As KVM answers: the four registers marked, whatever the event was.
inline void answer_like_kvm(RawPage view, u64 rax, u64 rbx, u64 rcx, u64 rdx) {
    view.answer(0, 0,
                {
                    {at::rax, rax},
                    {at::rbx, rbx},
                    {at::rcx, rcx},
                    {at::rdx, rdx}
    });
}

} // namespace vestibule::test
