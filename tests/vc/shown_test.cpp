// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the hypervisor gets to see of a #VC: for each event, exactly the bytes of the GHCB page that
// the specification's table 5 and section 4.1 ask for change, whatever the registers hold and
// whatever the page held before. One test each, of the short way and the long one where there are
// two.
#include "tests/vc/memory_fixture.h"
#include <ostream>

namespace vestibule::test {

static constexpr u8 stale = 0xA5;

struct ShownEvent {
    const char* name;
    u64 error_code;
    Bytes code;
    std::vector<unsigned> registers = {}; // fields that are shown whole, as the frame has them
    unsigned low_bytes              = 8;  // of RAX, which OUT shows in part
    u64 exit                        = 0;  // the error code, if zero
    u64 info1                       = 0;
    u64 info2                       = 0;
    bool buffer                     = false; // SW_SCRATCH names the shared buffer
    Bytes data                      = {};    // that is in it
    bool calls                      = true;
    bool done                       = true;
    u64 rax                         = 0;     // of the frame, if not zero
    bool monitors                   = false; // RAX is an address, RCX and RDX are zero

    friend std::ostream& operator<<(std::ostream& out, const ShownEvent& event) {
        return out << event.name;
    }
};

struct ShownTest : MemoryTest {
    static constexpr u64 offset = 0x40; // on the data pages

    ShownTest() {
        map_mmio(0);
        map(1);
        std::memcpy(data + page_size + offset, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
        frame.rdi = linear(offset);             // memory-mapped I/O
        frame.rsi = linear(page_size + offset); // memory
        frame.rflags &= ~u64{0x500};            // DF, TF
        context.dr7                  = 0x400;
        MockCpu::cr4_value           = 0x4'0000; // OSXSAVE
        MockCpu::xcr0_value          = 7;
        MockCpu::msrs[x86::Msr::xss] = 0x1800;
        context.uses_xss             = true;
        on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
    }

    /// The page as it was, but for what is asked for.
    Image wanted(const ShownEvent& event) const {
        Image image{};
        image.fill(stale);
        const RawPage view{image.data()};
        view.clear_valid();
        view.put({at::sw_exitcode, event.exit != 0 ? event.exit : event.error_code});
        view.put({at::sw_exitinfo1, event.info1});
        view.put({at::sw_exitinfo2, event.info2});
        for (const unsigned field : event.registers) {
            switch (field) {
            case at::rax: {
                u64 shown = 0;
                std::memcpy(&shown, &before.rax, event.low_bytes);
                view.put({field, shown});
                break;
            }
            case at::rcx: view.put({field, before.rcx & 0xFFFF'FFFF}); break;
            case at::rdx: view.put({field, before.rdx & 0xFFFF'FFFF}); break;
            case at::xcr0: view.put({field, 7}); break;
            case at::xss: view.put({field, 0x1800}); break;
            case at::cpl:
                image[at::cpl] = 0;
                view.mark_valid(at::cpl);
                break;
            default: ADD_FAILURE() << "field " << field;
            }
        }
        if (event.buffer) {
            view.put({at::sw_scratch, gpa + 0x800});
        }
        std::ranges::copy(event.data, image.begin() + 0x800);
        image[at::protocol_version]     = 2;
        image[at::protocol_version + 1] = 0;
        std::fill_n(image.begin() + at::ghcb_usage, 4, u8{0});
        return image;
    }

    void expect_shown(const ShownEvent& event, const Bytes& code) {
        const vc::Frame start = frame;
        if (event.rax != 0) {
            frame.rax = event.rax;
        }
        if (event.monitors) {
            frame.rax = linear(page_size + offset);
            frame.rcx = frame.rdx = 0;
        }
        std::memset(raw.bytes, stale, page_size);
        seen              = {};
        MockCpu::vmgexits = 0;
        EXPECT_EQ(handle(event.error_code, code).is_done(), event.done);
        EXPECT_EQ(MockCpu::vmgexits, event.calls ? 1U : 0U);
        if (event.calls) {
            EXPECT_TRUE(same_page(seen, wanted(event))) << testing::PrintToString(code);
        } else {
            Image untouched{};
            untouched.fill(stale);
            std::memcpy(seen.data(), raw.bytes, seen.size());
            EXPECT_TRUE(same_page(seen, untouched)) << testing::PrintToString(code);
        }
        frame = start;
    }
};

struct Shown : ShownTest, testing::WithParamInterface<ShownEvent> {};

TEST_P(Shown, ExactlyWhatTheEventAsksFor) {
    const ShownEvent& event = GetParam();
    for (const u64 room : {0U, 16U}) {
        room_behind_code = room;
        expect_shown(event, event.code);
        Bytes prefixed = event.code; // CS: does nothing to any of them, and takes the long way
        prefixed.insert(prefixed.begin(), 0x2E);
        expect_shown(event, prefixed);
    }
}

static constexpr u64 mmio_read  = 0x8000'0001;
static constexpr u64 mmio_write = 0x8000'0002;
static constexpr u64 mmio_gpa   = 0x7654'3040;

INSTANTIATE_TEST_SUITE_P(
    Vc, Shown,
    testing::Values(
        ShownEvent{
            .name       = "Cpuid",
            .error_code = 0x72,
            .code       = {0x0F,    0xA2   },
            .registers  = {at::rax, at::rcx},
            .low_bytes  = 4
},
        ShownEvent{.name       = "CpuidExtendedState",
                   .error_code = 0x72,
                   .code       = {0x0F, 0xA2},
                   .registers  = {at::rax, at::rcx, at::xcr0},
                   .low_bytes  = 4,
                   .rax        = 0xD},
        ShownEvent{.name = "In8", .error_code = 0x7B, .code = {0xE4, 0x60}, .info1 = 0x60'0211},
        ShownEvent{.name = "In32", .error_code = 0x7B, .code = {0xE5, 0x60}, .info1 = 0x60'0241},
        ShownEvent{.name       = "Out8",
                   .error_code = 0x7B,
                   .code       = {0xE6, 0x60},
                   .registers  = {at::rax},
                   .low_bytes  = 1,
                   .info1      = 0x60'0210},
        ShownEvent{.name       = "Out32",
                   .error_code = 0x7B,
                   .code       = {0xE7, 0x60},
                   .registers  = {at::rax},
                   .low_bytes  = 4,
                   .info1      = 0x60'0240},
        ShownEvent{.name       = "Out16",
                   .error_code = 0x7B,
                   .code       = {0x66, 0xE7, 0x60},
                   .registers  = {at::rax},
                   .low_bytes  = 2,
                   .info1      = 0x60'0220},
        ShownEvent{.name       = "Outs",
                   .error_code = 0x7B,
                   .code       = {0x6F},
                   // The port is DX's, 0x9192 + ...; DS is segment 3.
                   .info1  = 0x9798'0E44,
                   .info2  = 1,
                   .buffer = true,
                   .data   = {0x11, 0x22, 0x33, 0x44}},
        ShownEvent{
            .name = "Rdmsr", .error_code = 0x7C, .code = {0x0F, 0x32}, .registers = {at::rcx}},
        ShownEvent{.name       = "Wrmsr",
                   .error_code = 0x7C,
                   .code       = {0x0F, 0x30},
                   .registers  = {at::rax, at::rcx, at::rdx},
                   .low_bytes  = 4,
                   .info1      = 1},
        ShownEvent{.name = "Rdtsc", .error_code = 0x6E, .code = {0x0F, 0x31}},
        ShownEvent{.name = "Rdtscp", .error_code = 0x87, .code = {0x0F, 0x01, 0xF9}},
        ShownEvent{
            .name = "Rdpmc", .error_code = 0x6F, .code = {0x0F, 0x33}, .registers = {at::rcx}},
        ShownEvent{.name = "Invd", .error_code = 0x76, .code = {0x0F, 0x08}},
        ShownEvent{.name = "Wbinvd", .error_code = 0x89, .code = {0x0F, 0x09}},
        ShownEvent{.name = "Wbnoinvd", .error_code = 0x89, .code = {0xF3, 0x0F, 0x09}},
        ShownEvent{.name       = "Vmmcall",
                   .error_code = 0x81,
                   .code       = {0x0F, 0x01, 0xD9},
                   .registers  = {at::rax, at::cpl}},
        ShownEvent{
            .name = "Dr7Read", .error_code = 0x27, .code = {0x0F, 0x21, 0xFA}, .calls = false},
        ShownEvent{.name       = "Dr7Write",
                   .error_code = 0x37,
                   .code       = {0x0F, 0x23, 0xF8},
                   .registers  = {at::rax},
                   .rax        = 0x0000'0000'0000'0455},
        ShownEvent{.name       = "Monitor",
                   .error_code = 0x8A,
                   .code       = {0x0F, 0x01, 0xC8},
                   .calls      = false,
                   .monitors   = true},
        ShownEvent{.name       = "Mwait",
                   .error_code = 0x8B,
                   .code       = {0x0F, 0x01, 0xC9},
                   .calls      = false,
                   .monitors   = true},
        ShownEvent{.name       = "MmioRead",
                   .error_code = 0x400,
                   .code       = {0x8B, 0x0F},
                   .exit       = mmio_read,
                   .info1      = mmio_gpa,
                   .info2      = 4,
                   .buffer     = true},
        ShownEvent{.name       = "MmioWrite32",
                   .error_code = 0x400,
                   .code       = {0xC7, 0x07, 1, 2, 3, 4},
                   .exit       = mmio_write,
                   .info1      = mmio_gpa,
                   .info2      = 4,
                   .buffer     = true,
                   .data       = {1, 2, 3, 4}},
        // BL, EBX of the canary frame.
        ShownEvent{.name       = "MmioWriteOfARegister",
                   .error_code = 0x400,
                   .code       = {0x89, 0x1F},
                   .exit       = mmio_write,
                   .info1      = mmio_gpa,
                   .info2      = 4,
                   .buffer     = true,
                   .data       = {0xA0, 0x9F, 0x9E, 0x9D}},
        ShownEvent{.name       = "MmioWriteOfAByte",
                   .error_code = 0x400,
                   .code       = {0x88, 0x1F},
                   .exit       = mmio_write,
                   .info1      = mmio_gpa,
                   .info2      = 1,
                   .buffer     = true,
                   .data       = {0xA0}},
        ShownEvent{.name       = "DebugException",
                   .error_code = 0x41,
                   .code       = {0x90},
                   .calls      = false,
                   .done       = false},
        ShownEvent{.name       = "AlignmentCheck",
                   .error_code = 0x51,
                   .code       = {0x90},
                   .calls      = false,
                   .done       = false},
        ShownEvent{.name       = "PageNotValidated",
                   .error_code = 0x404,
                   .code       = {0x90},
                   .calls      = false,
                   .done       = false},
        ShownEvent{.name       = "Unsupported",
                   .error_code = 0x7F,
                   .code       = {0x90},
                   .exit       = 0x8000'FFFF,
                   .info1      = 0x7F,
                   .done       = false},
        ShownEvent{.name       = "ForgedExit",
                   .error_code = 0x7C,
                   .code       = {0x0F, 0xA2},
                   .calls      = false,
                   .done       = false}),
    [](const auto& event) { return std::string{event.param.name}; });

// The frame's RCX is 1 there.
TEST_F(ShownTest, CpuidExtendedStateWithXss) {
    frame.rcx = 1;
    expect_shown(
        {
            .name       = "CPUID 0xD, 1",
            .error_code = 0x72,
            .code       = {},
            .registers  = {at::rax, at::rcx, at::xcr0, at::xss},
            .low_bytes  = 4,
            .rax        = 0xD
    },
        {0x0F, 0xA2});
}

// INS needs memory that may be written.
TEST_F(ShownTest, Ins) {
    frame.rdi = linear(page_size + offset);
    const ShownEvent event{.name       = "INSB",
                           .error_code = 0x7B,
                           .code       = {},
                           .info1      = 0x9798'0215,
                           .info2      = 1,
                           .buffer     = true};
    expect_shown(event, {0x6C});
    frame.rcx         = 3;
    ShownEvent repeat = event;
    repeat.info1 |= 8;
    repeat.info2 = 3;
    expect_shown(repeat, {0xF3, 0x6C});
}

} // namespace vestibule::test
