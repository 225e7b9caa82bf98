// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where the application speaks: the firmware's console, and COM1 by its ports when that is asked
// for, for machines whose console nobody sees.
#pragma once

#include "efi/text.h"

namespace vestibule::efi {

/// From here on lines go to COM1 too.
void speak_on_com1();

/// Writes a line.
void say(Text text);

/// The same where there may be no console any more: on COM1, if that was asked for.
void say_on_com1(Text text);

template <class... Parts>
    requires(sizeof...(Parts) > 1)
void say(const Parts&... parts) {
    Words words;
    (words << ... << parts);
    say(words.text());
}

} // namespace vestibule::efi
