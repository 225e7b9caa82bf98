// SPDX-License-Identifier: BSD-2-Clause-Patent
// A machine with a reverse map table for the tests of snp/: what PVALIDATE does to it, what page
// state changes do, and how many of each there were. Written from APM volume 2, section 15.36, and
// the GHCB specification, exit 0x80000010.
#pragma once

#include "snp/acceptance.h"
#include "tests/ghcb/mock.h"

#include <unordered_map>

namespace vestibule::test {

struct SnpCpu : MockCpu {
    struct State {
        bool assigned  = false;
        bool validated = false;
        bool large     = false;
    };

    /// By the number of the 4 KiB page; of a large page that of its first.
    static inline std::unordered_map<u64, State> table;
    static inline u64 pvalidates = 0;
    static inline std::vector<u64> touched;
    static inline bool counts_touches_only = false;
    static inline u64 touches              = 0;
    static inline u32 rmpadjust_code       = 0;
    static inline u32 in_use_for           = ~0U; // so many times code 3 is said
    static inline std::vector<u64> adjusted;

    static void reset() {
        MockCpu::reset();
        table.clear();
        touched.clear();
        adjusted.clear();
        pvalidates = touches = 0;
        rmpadjust_code       = 0;
        in_use_for           = ~0U;
        counts_touches_only  = false;
    }

    static x86::RmpResult pvalidate(u64 linear, x86::RmpPageSize size, bool validate) {
        ++pvalidates;
        const u64 block     = linear / x86::large_page_size * 512;
        const auto found    = table.find(block);
        const bool is_large = found != table.end() && found->second.large;
        if (size == x86::RmpPageSize::large && !is_large) {
            return {.code = x86::RmpResult::fail_size_mismatch};
        }
        if (size == x86::RmpPageSize::small && is_large) { // PSMASH, which the guest never sees
            const State state = table[block];
            for (u64 n = 0; n < 512; ++n) {
                table[block + n] = {state.assigned, state.validated, false};
            }
        }
        State& state = table[size == x86::RmpPageSize::large ? block : linear / page_size];
        if (!state.assigned) {
            throw std::runtime_error("PVALIDATE of a page that is not assigned");
        }
        const bool unchanged = state.validated == validate;
        state.validated      = validate;
        return {.code = 0, .unchanged = unchanged};
    }

    static x86::RmpResult rmpadjust(u64 linear, x86::RmpPageSize, u64 attributes) {
        adjusted.push_back(linear);
        adjusted.push_back(attributes);
        if (rmpadjust_code == x86::RmpResult::fail_in_use && in_use_for-- == 0) {
            rmpadjust_code = 0;
        }
        return {.code = rmpadjust_code};
    }

    static void touch(u64 linear) {
        ++touches;
        if (!counts_touches_only) {
            touched.push_back(linear);
        }
    }
};

/// A GHCB page, and a hypervisor that serves page state changes through it.
struct SnpFixture : testing::Test {
    alignas(4096) static inline ghcb::Page page{};

    SnpFixture() {
        SnpCpu::reset();
        page               = {};
        channel            = {.page = &page, .gpa = 0x5000, .version = 2};
        SnpCpu::hypervisor = [this] { serve(); };
    }

    ~SnpFixture() override { SnpCpu::reset(); }

    RawPage raw() const { return {reinterpret_cast<u8*>(&page)}; }

    u64 entry(unsigned n) const { return raw().get(0x808 + 8 * n); }

    void set_entry(unsigned n, u64 value) const { raw().set(0x808 + 8 * n, value); }

    u64 header() const { return raw().get(0x800); }

    void serve() {
        if (on_call && on_call()) {
            return;
        }
        EXPECT_EQ(raw().get(at::sw_exitcode), 0x8000'0010u);
        EXPECT_EQ(raw().get(at::sw_scratch), 0x5800u);
        auto current    = static_cast<unsigned>(header() & 0xFFFF);
        const auto last = static_cast<unsigned>(header() >> 16 & 0xFFFF);
        EXPECT_LE(last, 252u);
        for (; current <= last; ++current) {
            const u64 value     = entry(current);
            const bool is_large = (value >> 56 & 1) != 0;
            const u64 number    = (value & 0x000F'FFFF'FFFF'F000) >> 12;
            EXPECT_EQ(value >> 52 & 0xF, 1u);
            if (is_large) {
                EXPECT_EQ(number % 512, 0u);
            }
            SnpCpu::table[number] = {.assigned  = true,
                                     .validated = SnpCpu::table[number].validated,
                                     .large     = is_large && !splits_large};
            if (is_large && splits_large) {
                for (u64 n = 1; n < 512; ++n) {
                    SnpCpu::table[number + n].assigned = true;
                }
            }
            set_entry(current, (value & ~u64{0xFFF}) | (is_large ? 512 : 1));
        }
        raw().set(0x800, (header() & ~u64{0xFFFF}) | current);
        raw().answer(0, 0);
    }

    ghcb::Channel channel;
    bool splits_large = false;     // gives 4 KiB entries where 2 MiB were asked for
    std::function<bool()> on_call; // true: has answered
};

} // namespace vestibule::test
