// SPDX-License-Identifier: BSD-2-Clause-Patent
// See calls.h. The advice is in tables, tried from the first row on.
#include "kvm/calls.h"

#include "kvm/call_text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::kvm {

namespace {
/// What to do about an error of a device, a call or a command. Rows without a name are for every
/// command.
struct Advice {
    std::string_view name;
    int error;
    std::string_view text;
};

constexpr std::string_view no_asid =
    "every ASID of this kind is in use: end other SEV guests, or change how the firmware setup "
    "divides ASIDs between SEV and SEV-ES (\"SEV-ES ASID Space Limit\")";

// clang-format off
constexpr Advice advice[] = {
    {"/dev/kvm",                       ENOENT,
     "the host has no KVM: `modprobe kvm_amd` (on Intel, for native guests, `modprobe kvm_intel`); if that "
     "fails, enable SVM in the firmware setup, or nested virtualization if this is a guest itself"},
    {"/dev/kvm",                       EACCES, "you may not use KVM: `sudo usermod -aG kvm $USER`, then log in again"},
    {"/dev/sev",                       ENOENT,
     "the driver of the secure processor is not there: `modprobe ccp`; if `dmesg | grep -i sev` shows nothing, "
     "enable SMEE and SEV in the firmware setup"},
    {"/dev/sev",                       EACCES,
     "you may not use the secure processor: `sudo chgrp kvm /dev/sev; sudo chmod g+rw /dev/sev`, and be in "
     "the group kvm"},
    {"KVM_CREATE_VM",                  EINVAL,
     "this kernel has no VMs of that type: SEV-ES is `modprobe kvm_amd sev_es=1`, SNP is Linux 6.11 and "
     "`modprobe kvm_amd sev_snp=1`"},
    {"KVM_CREATE_VM",                  EBUSY,  "the CPU's virtualization is in use by another hypervisor: unload it"},
    {"KVM_CREATE_VCPU",                EINVAL, "KVM does not allow so many vCPUs: fewer --vcpus"},
    {"KVM_MEMORY_ENCRYPT_REG_REGION",  ENOMEM, "guest memory has to be locked: raise `ulimit -l` above --memory, or run as root"},
    {"KVM_CREATE_GUEST_MEMFD",         ENOTTY, "guest_memfd is Linux 6.8's: SNP needs 6.11 or newer"},
    {"KVM_SET_MEMORY_ATTRIBUTES",      ENOTTY, "memory attributes are Linux 6.8's: SNP needs 6.11"},
    {"KVM_SET_SREGS",                  EINVAL,
     "the VP context is no state that KVM accepts: `igvmtool show` prints it, `igvmtool check` judges it"},
    {"KVM_SET_XCRS",                   EINVAL, "XCR0 of the VP context has bits that this CPU lacks, or not bit 0"},
    {"SEV_ISSUE_CMD",                  ENOTTY, "/dev/sev is not the secure processor's device"},
    {"SEV_ISSUE_CMD",                  EIO,    "the secure processor does not answer: `dmesg | grep -i -e ccp -e sev` says why"},
    {"SEV_INIT2",                      EBUSY,  no_asid},
    {"SEV_ES_INIT",                    EBUSY,  no_asid},
    {"SEV_INIT2",                      EINVAL, "KVM does not offer these SEV_FEATURES, or the VM is past that step"},
    {"SEV_SNP_LAUNCH_START",           EINVAL,
     "KVM refuses the policy: bit 17 must be set, bit 18 (migration agent) not, none above 25"},
    {"SEV_SNP_LAUNCH_UPDATE",          EEXIST, "the file has two contents for one page"},
    {"SEV_LAUNCH_UPDATE_VMSA",         EINVAL, "KVM refuses a vCPU's state: DR7 must be 0x400"},
    {"",                               ENOTTY,
     "KVM has SEV off: `modprobe -r kvm_amd; modprobe kvm_amd sev=1 sev_es=1 sev_snp=1`, and `dmesg | grep -i sev` "
     "says what the firmware allows"},
    {"",                               ENODEV, "the secure processor is not initialized: `modprobe ccp`, and see `dmesg | grep -i ccp`"},
    {"",                               EBADF,  "/dev/sev could not be used by KVM: is it the ccp driver's?"},
    {"",                               EPERM,  "this VM's type does not allow the command"},
    {"",                               ENOMEM, "no memory that can be locked: raise `ulimit -l`, or take less --memory"},
};

struct FirmwareRow {
    u32 code;
    std::string_view name;
    std::string_view advice;
};

constexpr FirmwareRow firmware_rows[] = {
    {0x01, "INVALID_PLATFORM_STATE",
     "the platform is not in the state for it: `modprobe -r kvm_amd ccp; modprobe ccp; modprobe "
     "kvm_amd`"},
    {0x02, "INVALID_GUEST_STATE",    "the guest is not in the state for it: an error of this program"},
    {0x04, "INVALID_LENGTH",         "a length that the firmware does not take: an error of this program"},
    {0x06, "INVALID_CERTIFICATE",
     "the owner's certificate is damaged, or for another machine: make the session anew from this machine's "
     "PDH (`sevctl export`, `sevctl session`)"},
    {0x07, "POLICY_FAILURE",
     "the policy asks for what this firmware or setup does not grant: newer API version, no SMT, no "
     "debugging; see GUEST_POLICY in `igvmtool show`"},
    {0x09, "INVALID_ADDRESS",        "an address that the firmware does not take: an error of this program"},
    {0x0A, "BAD_SIGNATURE",
     "the ID block is not signed by its key, or for another policy: `igvmtool verify` says what is wrong, "
     "`igvmtool sign` makes it anew"},
    {0x0B, "BAD_MEASUREMENT",        "what was launched is not what the ID block, or the session, says"},
    {0x0C, "ASID_OWNED",             "the ASID belongs to a guest that has not been cleaned up: end other SEV guests"},
    {0x0D, "INVALID_ASID",           "the ASID is none of this kind: check how the firmware setup divides them"},
    {0x0E, "WBINVD_REQUIRED",        "caches have to be flushed first, which is the kernel's work: update the kernel"},
    {0x0F, "DFFLUSH_REQUIRED",       "no ASID is free before a DF_FLUSH: end other SEV guests and try again"},
    {0x16, "INVALID_PARAM",
     "the firmware refuses what it was given: a CPUID page that claims more than this CPU has, or an ID block "
     "that is malformed"},
    {0x17, "RESOURCE_LIMIT",         "the secure processor has no room for another guest: end other SEV guests"},
    {0x19, "INVALID_PAGE_SIZE",      "pages of another size in the RMP: try again, or update the kernel"},
    {0x1A, "INVALID_PAGE_STATE",
     "a page is not in the state for it: the file has two contents for it, or another guest holds "
     "it"},
    {0x1C, "INVALID_PAGE_OWNER",     "a page belongs to another guest: end other SEV guests"},
    {0x1D, "AEAD_OFLOW",             "the guest's message counter is used up: start it anew"},
    {0x21, "INVALID_GUEST_SVN",      "the ID block's security version is too low"},
    {0x22, "INVALID_VERSION",        "the ID block's version must be 1: `igvmtool sign` makes it so"},
    {0x27, "INVALID_KEY",            "a key of the ID block is none that the firmware takes: P-384 is needed"},
};
// clang-format on

std::string failure(const std::string& what, std::string_view name, int error, bool is_command) {
    const char* const symbol = strerrorname_np(error);
    const auto* row          = std::ranges::find_if(advice, [&](const Advice& own) {
        return own.error == error && (own.name == name || (is_command && own.name.empty()));
    });
    return fmt::format("{}: {} ({}){}{}", what, std::strerror(error),
                       symbol != nullptr ? symbol : "?", row != std::end(advice) ? ": " : "",
                       row != std::end(advice) ? row->text : "");
}
} // namespace

int Calls::open(const char* path) {
    const int descriptor = kernel.open(path);
    if (descriptor < 0) {
        throw Error(failure(path, path, -descriptor, false));
    }
    return descriptor;
}

int Calls::call(int descriptor, u64 request, u64 argument) {
    const int answer = kernel.ioctl(descriptor, request, argument);
    if (answer < 0) {
        const auto text = call_text(request, argument, [](u64) { return "memory"; });
        throw Error(failure(text, call_name(request), -answer, false));
    }
    return answer;
}

void Calls::sev(int vm, int sev_device, abi::Sev command, u64 data) {
    constexpr u32 no_firmware_call = 0xFFFF'FFFF; // SEV_RET_NO_FW_CALL
    abi::SevCommand call{
        .id = command, .pad = 0, .data = data, .error = 0, .sev_fd = static_cast<u32>(sev_device)};
    int answer = 0;
    do {
        call.error = 0;
        answer     = kernel.ioctl(vm, KVM_MEMORY_ENCRYPT_OP, address_of(&call));
    } while (answer == -EAGAIN);
    const std::string name = command_name(command);
    if (call.error != 0 && call.error != no_firmware_call) {
        const auto* row = std::ranges::find(firmware_rows, call.error, &FirmwareRow::code);
        const FirmwareRow unknown{call.error, "unknown", "a code that this program does not know"};
        const FirmwareRow& known = row != std::end(firmware_rows) ? *row : unknown;
        throw FirmwareError(fmt::format("{}: the firmware answers {:#x} {}: {}", name, call.error,
                                        known.name, known.advice),
                            call.error);
    }
    if (answer < 0) {
        throw Error(failure(name, name, -answer, true));
    }
}

u8* Calls::map(u64 size, int descriptor) {
    u8* const memory = kernel.map(size, descriptor);
    if (memory == nullptr) {
        throw Error(
            fmt::format("no memory to map, {} MiB were wanted: take less --memory", size >> 20));
    }
    return memory;
}

} // namespace vestibule::kvm
