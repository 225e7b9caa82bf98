// SPDX-License-Identifier: BSD-2-Clause-Patent
// A guest's memory for tests of what reaches it: page tables in a physical memory of the test's
// own, and data pages below 4 GiB that are the test process's too, so that the handler's accesses
// are real ones. A page that the guest's tables do not map faults here as well.
#pragma once

#include "tests/vc/fixture.h"
#include <stdexcept>

namespace vestibule::test {

class MemoryTest : public VcTest {
  protected:
    static constexpr u64 data_pages = 4;
    static constexpr u64 data_gpa   = 0x7654'3000; // of data page n: + n * 0x10'0000
    static constexpr u64 cr0_wp     = 0x1'0000;
    static constexpr u64 cr4_smap   = 0x20'0000;

    MemoryTest()
        : data{static_cast<u8*>(mmap(nullptr, (data_pages + 1) * page_size, PROT_NONE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))} {
        if (data == MAP_FAILED) {
            throw std::runtime_error("mmap");
        }
        mprotect(data + data_pages * page_size, page_size, PROT_READ | PROT_WRITE);
        MockCpu::cr0_value = cr0_wp;
    }

    ~MemoryTest() override { munmap(data, (data_pages + 1) * page_size); }

    u64 linear(u64 offset) const { return reinterpret_cast<u64>(data) + offset; }

    static u64 gpa_of_page(u64 n) { return data_gpa + n * 0x10'0000; }

    /// Maps data page `n`; it can be touched only if private and present.
    void map(u64 n, u64 bits = kernel_data) {
        tables.entry(linear(n * page_size), 1) = gpa_of_page(n) | bits;
        const bool memory = (bits & entry_bit::present) != 0 && (bits & entry_bit::c_bit) != 0;
        mprotect(data + n * page_size, page_size, memory ? PROT_READ | PROT_WRITE : PROT_NONE);
    }

    /// A shared page: memory-mapped I/O, as far as anyone can see.
    void map_mmio(u64 n) { map(n, entry_bit::present | entry_bit::writable); }

    /// 32-bit or 16-bit code of a CPL with flat or given segments.
    void enter_segmented_code(bool bits32, u8 cpl = 0) {
        const u64 dpl              = u64{cpl} << 45;
        MockCpu::descriptors[0x40] = (bits32 ? 0x00CF'9B00'0000'FFFF : 0x008F'9B00'0000'FFFF) | dpl;
        MockCpu::descriptors[0x48] = 0x00CF'9300'0000'FFFF | dpl;
        frame.cs                   = 0x40U | cpl;
        frame.ss                   = 0x48U | cpl;
        MockCpu::selectors         = {0x48, 0, 0x48, 0x48, 0x48, 0x48};
        low_code                   = true;
    }

    /// Below 4 GiB, where 32-bit code and its data can be reached from.
    u64 place_low(const Bytes& code) const {
        u8* start = data + (data_pages + 1) * page_size - code.size();
        std::memcpy(start, code.data(), code.size());
        return reinterpret_cast<u64>(start);
    }

    /// As VcTest::handle, but 32-bit code is put where it can be.
    ghcb::Outcome handle_at(u64 error_code, const Bytes& code) {
        if (!low_code) {
            return handle(error_code, code);
        }
        frame.rip = place_low(code);
        map_code(frame.rip);
        frame.error_code = error_code;
        before           = frame;
        context.ghcb     = channel;
        return vc::handle<MockCpu>(frame, context);
    }

    u8* data; // and a page for code
    bool low_code = false;
};

inline bool again(const ghcb::Outcome& outcome) {
    return outcome.kind == ghcb::Outcome::Kind::again;
}

} // namespace vestibule::test
