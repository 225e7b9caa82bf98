// What the tests of vc/ share: an interrupted frame in which every register holds bytes that occur
// nowhere else, instruction bytes in memory for it to stand at, and one #VC through vc::handle.
#pragma once

#include "ghcb_mock.h"
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

    /// The address of `code`, whose last byte is the page's last byte.
    u64 place(const Bytes& code) {
        u8* start = pages + page_size - code.size();
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

class VcTest : public GhcbTest {
  protected:
    VcTest() { MockCpu::descriptors[user_code64 & ~3] = 0x00AF'FB00'0000'FFFF; }

    /// Stands the frame at `code`, raises #VC with this error code, and hands over what came of it.
    /// The frame as it was is then in `before`.
    ghcb::Outcome handle(u64 error_code, const Bytes& code) {
        frame.rip        = memory.place(code);
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

    CodeAtPageEnd memory;
    vc::Frame frame = canary_frame();
    vc::Frame before{};
    vc::Context context{.ghcb = {}, .kernel_code64 = kernel_code64};
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
