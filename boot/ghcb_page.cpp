#include "boot/ghcb_page.h"

#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/page_tables.h"
#include "x86/sev.h"

namespace vestibule::boot {

namespace {

constinit ghcb::Page page{};

} // namespace

void announce_ghcb(ghcb::Channel& channel, u16 version) {
    volatile u64* words = reinterpret_cast<volatile u64*>(&page);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        words[n] = 0;
    }
    channel = {.page = &page, .gpa = address_of(&page), .version = version};
    x86::Cpu::wrmsr(x86::Msr::ghcb, channel.gpa);
}

void prove_ghcb(ghcb::Channel& channel, const EncryptionLeaf& encryption) {
    using ghcb::Field;
    ghcb::Call<x86::Cpu> call{channel};
    call.put(Field::rax, x86::cpuid_leaf::memory_encryption);
    call.put(Field::rcx, 0);
    namespace registers = ghcb::registers;
    const ghcb::Answer answer =
        call.exit(x86::ExitCode::cpuid, 0, 0, registers::rax | registers::rbx);
    if (!answer.outcome.is_done() || answer.reg[0] != encryption.eax
        || answer.reg[3] != encryption.ebx) {
        fail(ghcb::reason::ghcb_not_answering);
    }
}

void open_ghcb(ghcb::Channel& channel, u16 version, u64 c_bit, const EncryptionLeaf& encryption) {
    share_page(&page, c_bit);
    announce_ghcb(channel, version);
    prove_ghcb(channel, encryption);
}

} // namespace vestibule::boot
