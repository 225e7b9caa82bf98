// The EFI application: inside the guest, what igvmtool and a monitor are outside, a loader of the
// stub. Firmware starts it, and as long as it only prepares, everything it has taken goes back to
// the firmware when it fails.
#include "efi/console.h"
#include "efi/departure.h"
#include "efi/firmware.h"
#include "efi/machine.h"
#include "efi/stub.h"
#include "selftest.h"

namespace vestibule::efi {

namespace {

EFI_STATUS status_of(Trouble kind) {
    switch (kind) {
    case Trouble::none: return EFI_SUCCESS;
    case Trouble::config: return EFI_INVALID_PARAMETER;
    case Trouble::not_found: return EFI_NOT_FOUND;
    case Trouble::damaged: return EFI_LOAD_ERROR;
    case Trouble::memory: return EFI_OUT_OF_RESOURCES;
    case Trouble::unsupported: return EFI_UNSUPPORTED;
    case Trouble::device: return EFI_DEVICE_ERROR;
    case Trouble::aborted: return EFI_ABORTED;
    }
    return EFI_LOAD_ERROR;
}

Problem run() {
    const Machine machine = look_at_machine();
    say("Vestibule");
    show(machine);
    if (Problem wrong = check_machine(machine, Mode::any); wrong.is_there()) {
        return wrong;
    }
    Pages region;
    if (Problem wrong = place_stub(selftest, machine.c_bit, region); wrong.is_there()) {
        return wrong;
    }
    Departure departure;
    if (Problem wrong = departure.prepare(); wrong.is_there()) {
        return wrong;
    }
    if (!departure.exit_boot_services()) {
        return problem(Trouble::device, "");
    }
    enter_stub(selftest, region);
}

} // namespace

} // namespace vestibule::efi

using namespace vestibule;

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) {
    efi::firmware            = {.image = image, .system = system};
    const efi::Problem wrong = efi::run();
    if (!wrong.words.text().empty()) {
        efi::say("vestibule: ", wrong.words.text());
    }
    return efi::status_of(wrong.kind);
}
