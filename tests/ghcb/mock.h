// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the tests of ghcb/ and vc/ share: a CPU whose VMGEXIT is a function of the test, and the
// GHCB page as the hypervisor sees it: 4096 bytes, at the offsets that the GHCB specification's
// table (section 2.1) gives. They are written out here, not taken from ghcb/page.h, so that a wrong
// offset there is not wrong here too.
#pragma once

#include "ghcb/call.h"
#include "ghcb/msr_protocol.h"
#include "x86/descriptor.h"
#include "x86/msr.h"
#include <array>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace vestibule::test {

/// Offsets of fields in the page.
namespace at {
inline constexpr unsigned cpl              = 0x0CB;
inline constexpr unsigned xss              = 0x140;
inline constexpr unsigned rax              = 0x1F8;
inline constexpr unsigned rcx              = 0x308;
inline constexpr unsigned rdx              = 0x310;
inline constexpr unsigned rbx              = 0x318;
inline constexpr unsigned sw_exitcode      = 0x390;
inline constexpr unsigned sw_exitinfo1     = 0x398;
inline constexpr unsigned sw_exitinfo2     = 0x3A0;
inline constexpr unsigned sw_scratch       = 0x3A8;
inline constexpr unsigned xcr0             = 0x3E8;
inline constexpr unsigned valid_bitmap     = 0x3F0;
inline constexpr unsigned protocol_version = 0xFFA;
inline constexpr unsigned ghcb_usage       = 0xFFC;
} // namespace at

using Image = std::array<u8, 4096>;

struct FieldValue {
    unsigned offset;
    u64 value;
};

/// The page's bytes, read and written as a hypervisor does.
struct RawPage {
    u8* bytes;

    u64 get(unsigned offset) const {
        u64 value = 0;
        std::memcpy(&value, bytes + offset, sizeof value);
        return value;
    }

    void set(unsigned offset, u64 value) const {
        std::memcpy(bytes + offset, &value, sizeof value);
    }

    /// The field at offset o has bit o / 8 of VALID_BITMAP.
    bool is_valid(unsigned offset) const {
        return ((bytes[at::valid_bitmap + offset / 64] >> (offset / 8 % 8)) & 1) != 0;
    }

    void mark_valid(unsigned offset) const {
        u8& byte = bytes[at::valid_bitmap + offset / 64];
        byte     = static_cast<u8>(byte | 1u << (offset / 8 % 8));
    }

    void put(FieldValue field) const {
        set(field.offset, field.value);
        mark_valid(field.offset);
    }

    void clear_valid() const { std::memset(bytes + at::valid_bitmap, 0, 16); }

    bool nothing_valid() const { return get(0x3F0) == 0 && get(0x3F8) == 0; }

    /// An answer: SW_EXITINFO1 and 2, and of the registers these.
    void answer(u64 exitinfo1, u64 exitinfo2, const std::vector<FieldValue>& registers = {}) const {
        clear_valid();
        put({at::sw_exitinfo1, exitinfo1});
        put({at::sw_exitinfo2, exitinfo2});
        for (const FieldValue& field : registers) {
            put(field);
        }
    }
};

/// The page that a call must show: exit code, both words and `inputs` valid, the version, and zero
/// in every other byte.
inline Image call_image(u64 code, u64 exitinfo1, u64 exitinfo2,
                        const std::vector<FieldValue>& inputs = {}, u16 version = 2) {
    Image image{};
    const RawPage page{image.data()};
    page.put({at::sw_exitcode, code});
    page.put({at::sw_exitinfo1, exitinfo1});
    page.put({at::sw_exitinfo2, exitinfo2});
    for (const FieldValue& field : inputs) {
        page.put(field);
    }
    image[at::protocol_version]     = static_cast<u8>(version);
    image[at::protocol_version + 1] = static_cast<u8>(version >> 8);
    return image;
}

/// A number as the manuals print it; the stream of an AssertionResult forgets std::hex.
struct Hex {
    u64 value;

    friend std::ostream& operator<<(std::ostream& out, Hex number) {
        return out << "0x" << std::hex << number.value << std::dec;
    }
};

inline testing::AssertionResult same_page(const Image& seen, const Image& wanted) {
    for (unsigned n = 0; n < seen.size(); ++n) {
        if (seen[n] != wanted[n]) {
            return testing::AssertionFailure()
                   << "byte " << Hex{n} << " is " << Hex{seen[n]} << ", not " << Hex{wanted[n]};
        }
    }
    return testing::AssertionSuccess();
}

/// One instruction that the mock CPU was asked for.
struct Step {
    std::string_view instruction;
    u64 msr   = 0;
    u64 value = 0;

    bool operator==(const Step&) const = default;

    friend std::ostream& operator<<(std::ostream& out, const Step& step) {
        return out << step.instruction << " " << Hex{step.msr} << " " << Hex{step.value};
    }
};

/// Thrown where the real CPU would stop for good.
struct Halted {};

struct MockCpu {
    static constexpr bool serves_kernel = true;

    static inline std::vector<Step> steps;
    static inline std::function<void()> hypervisor; // what a VMGEXIT does
    static inline u64 ghcb_msr   = 0;
    static inline u64 cr0_value  = 0;
    static inline u64 cr2_value  = 0;
    static inline u64 cr3_value  = 0;
    static inline u64 cr4_value  = 0;
    static inline u64 dr6_value  = 0;
    static inline u32 pkru_value = 0;
    static inline u64 xcr0_value = 0;
    static inline x86::TableRegister idt{};
    static inline x86::TableRegister task{};
    static inline std::map<x86::Msr, u64> msrs; // but the GHCB's
    static inline std::map<u16, u64> descriptors;
    static inline std::array<u16, 6> selectors{}; // as segment registers are numbered
    static inline unsigned vmgexits = 0;

    static void reset() {
        steps.clear();
        hypervisor = nullptr;
        ghcb_msr = cr0_value = cr2_value = cr3_value = cr4_value = xcr0_value = 0;
        dr6_value = pkru_value = 0;
        idt = task = {};
        msrs.clear();
        descriptors.clear();
        selectors    = {};
        vmgexits     = 0;
        gone_address = 0;
    }

    static u64 rdmsr(x86::Msr msr) {
        steps.push_back({"rdmsr", static_cast<u64>(msr)});
        return msr == x86::Msr::ghcb ? ghcb_msr : msrs[msr];
    }

    static void wrmsr(x86::Msr msr, u64 value) {
        steps.push_back({"wrmsr", static_cast<u64>(msr), value});
        ghcb_msr = value;
    }

    static void vmgexit() {
        steps.push_back({"vmgexit"});
        ++vmgexits;
        if (hypervisor) {
            hypervisor();
        }
    }

    static void vmgexit_with(volatile void*) { vmgexit(); }

    /// Where an access faults although the page tables say otherwise.
    static inline u64 gone_address = 0;

    static bool load(u64 linear, u8 size, u64& value) {
        if (linear == gone_address) {
            return false;
        }
        value = 0;
        std::memcpy(&value, reinterpret_cast<const void*>(linear), size);
        return true;
    }

    static bool store(u64 linear, u8 size, u64 value) {
        if (linear == gone_address) {
            return false;
        }
        std::memcpy(reinterpret_cast<void*>(linear), &value, size);
        return true;
    }

    static u64 cr0() { return cr0_value; }

    static u64 cr3() { return cr3_value; }

    static u64 cr4() { return cr4_value; }

    static u32 pkru() { return pkru_value; }

    static void set_pkru(u32 value) {
        steps.push_back({"wrpkru", 0, value});
        pkru_value = value;
    }

    static u64 dr6() { return dr6_value; }

    static void set_dr6(u64 value) { dr6_value = value; }

    static x86::TableRegister sidt() { return idt; }

    static bool task_state(x86::TableRegister& current) {
        current = task;
        return task.base != 0;
    }

    static void set_cr2(u64 value) {
        steps.push_back({"set_cr2", 0, value});
        cr2_value = value;
    }

    static u16 segment_selector(unsigned number) { return selectors.at(number); }

    static bool read_descriptor(u16 selector, x86::SegmentDescriptor& descriptor) {
        const auto found = descriptors.find(static_cast<u16>(selector & ~3U));
        if (found == descriptors.end()) {
            return false;
        }
        descriptor.value = found->second;
        return descriptor.is_present();
    }

    static void allow_user_access() { steps.push_back({"stac"}); }

    static void forbid_user_access() { steps.push_back({"clac"}); }

    static u64 xcr0() {
        steps.push_back({"xgetbv"});
        return xcr0_value;
    }

    [[noreturn]] static void halt() {
        steps.push_back({"halt"});
        throw Halted{};
    }
};

inline testing::AssertionResult terminates(const ghcb::Outcome& outcome, ghcb::Reason reason) {
    if (outcome.kind == ghcb::Outcome::Kind::terminate && outcome.reason.set == reason.set
        && outcome.reason.code == reason.code) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << "kind " << static_cast<unsigned>(outcome.kind) << ", reason "
           << Hex{outcome.reason.set} << ":" << Hex{outcome.reason.code} << ", wanted termination "
           << Hex{reason.set} << ":" << Hex{reason.code};
}

inline testing::AssertionResult raises(const ghcb::Outcome& outcome, u8 vector, u32 error_code) {
    if (outcome.kind == ghcb::Outcome::Kind::raise && outcome.vector == vector
        && outcome.error_code == error_code) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << "kind " << static_cast<unsigned>(outcome.kind) << ", vector "
           << unsigned{outcome.vector} << ", error code " << outcome.error_code;
}

/// A GHCB page, and a hypervisor that keeps an image of what it was shown.
class GhcbTest : public testing::Test {
  protected:
    static constexpr u64 gpa = 0x0080'1000;

    GhcbTest() { MockCpu::reset(); }

    ~GhcbTest() override { MockCpu::reset(); }

    /// What the hypervisor does at each VMGEXIT, after it has looked at the page.
    void on_vmgexit(std::function<void(RawPage)> reply) {
        MockCpu::hypervisor = [this, reply = std::move(reply)] {
            std::memcpy(seen.data(), raw.bytes, seen.size());
            reply(raw);
        };
    }

    ghcb::Page page{};
    ghcb::Channel channel{.page = &page, .gpa = gpa, .version = 2};
    RawPage raw{reinterpret_cast<u8*>(&page)};
    Image seen{};
};

} // namespace vestibule::test
