// SPDX-License-Identifier: BSD-2-Clause-Patent
// See played.h.
#include "played.h"

#include "examiner/call.h"
#include "examiner/finish.h"

#include <stdexcept>

namespace vestibule::examiner {

namespace played {

std::function<u64(u64)> answer_msr;
std::function<void(volatile ghcb::Page&)> answer_page;
std::string console;

namespace {

constexpr u64 gpa = 0x20'0000;

ghcb::Page the_page{};
alignas(page_size) u64 arena[arena_pages][page_size / sizeof(u64)]{};
BootInfo boot_info{};

/// OUT of a byte to the serial port is what it says; its line status is always ready.
bool is_console(volatile ghcb::Page& page) {
    constexpr u64 com1        = 0x3F8;
    constexpr u64 line_status = 0x3FD;
    constexpr u64 transmitter = 0x20;
    if (page.sw_exitcode != static_cast<u64>(ExitCode::ioio)) {
        return false;
    }
    const u64 port = page.sw_exitinfo1 >> 16;
    if (port == com1) {
        console += static_cast<char>(page.rax);
    } else if (port == line_status) {
        page.rax = transmitter;
    }
    return port == com1 || port == line_status;
}

} // namespace

void begin(boot::Platform platform) {
    the_page               = {};
    boot_info              = {};
    boot_info.platform     = platform;
    boot_info.ghcb_version = 2;
    boot_info.c_bit        = u64{1} << 47;
    set_info(boot_info);
    use_page(&the_page, gpa);
    console     = "";
    answer_msr  = [](u64 request) { return request; };
    answer_page = [](volatile ghcb::Page&) {};
}

} // namespace played

namespace {

volatile ghcb::Page* current = nullptr;
u64 current_gpa              = 0;

} // namespace

volatile ghcb::Page& page() { return *current; }

u64 page_gpa() { return current_gpa; }

void use_page(volatile ghcb::Page* page, u64 gpa) {
    current     = page;
    current_gpa = gpa;
}

u64 exchange(u64 request) { return played::answer_msr(request); }

void call_by_page() {
    if (!played::is_console(*current)) {
        played::answer_page(*current);
    }
}

u64 arena_gpa(u64 number) { return u64{0x100'0000} + number * page_size; }

volatile u64& arena_word(u64 number, u64 index) { return played::arena[number][index]; }

void clear_arena_page(u64 number) {
    for (u64& word : played::arena[number]) {
        word = 0;
    }
}

u64 large_block() { return 0; }

void map_page(u64, bool) {}

bool make_shared(u64) { return true; }

bool make_private(u64) { return true; }

u64 pvalidate(u64, bool, bool) { return 0; }

void install_idt() {}

u64 nmi_count() { return 0; }

u64 gp_count() { return 0; }

u64 vc_count() { return 0; }

u64 vc_code() { return 0; }

void on_next_nmi(void (*)()) {}

void finish(bool) { throw std::runtime_error("the examiner ends"); }

void give_up(const char* why) { throw std::runtime_error(why); }

} // namespace vestibule::examiner
