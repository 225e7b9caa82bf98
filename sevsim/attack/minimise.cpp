// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/minimise.h"

#include "sevsim/attack/draws.h"

namespace vestibule::sevsim::attack {

namespace {

void try_number(std::vector<Hostility>& forms, const Hostility& lie, u64 Hostility::* number,
                u64 value) {
    if (value < lie.*number) {
        Hostility form = lie;
        form.*number   = value;
        forms.push_back(form);
    }
}

} // namespace

std::vector<Hostility> simpler(const Hostility& lie) {
    std::vector<Hostility> forms;
    const Draw& draw = draw_of(lie.lie);
    if (draw.moment != Moment::none && draw.moment != Moment::kind) {
        // The first moment at all, and those half and a quarter nearer to it.
        for (const u64 at : {u64{1}, lie.at / 2, lie.at - lie.at / 4}) {
            if (at != 0) {
                try_number(forms, lie, &Hostility::at, at);
            }
        }
    }
    if (lie.within > 1) {
        for (const u64 within : {u64{1}, lie.within / 2}) {
            try_number(forms, lie, &Hostility::within, within);
        }
    }
    if (draw.number == Number::event) {
        constexpr u64 error_code = u64{0xFFFF'FFFF} << 32;
        try_number(forms, lie, &Hostility::code, lie.code & ~error_code);
    } else if (draw.number == Number::exit_code || draw.number == Number::reason
               || draw.number == Number::features) {
        try_number(forms, lie, &Hostility::code, 0);
        try_number(forms, lie, &Hostility::code, lie.code & 0xFF);
    }
    return forms;
}

Lies minimised(Lies plan, const StillFound& still_found, unsigned most) {
    unsigned runs    = 0;
    const auto holds = [&](const Lies& candidate) {
        if (runs >= most) {
            return false;
        }
        ++runs;
        return still_found(candidate);
    };
    for (std::size_t n = 0; plan.size() > 1 && n < plan.size();) {
        Lies without = plan;
        without.erase(without.begin() + static_cast<std::ptrdiff_t>(n));
        if (holds(without)) {
            plan = std::move(without);
            n    = 0; // what could not be spared with it may be spared now
        } else {
            ++n;
        }
    }
    for (std::size_t n = 0; n < plan.size(); ++n) {
        for (bool goes_on = true; goes_on && runs < most;) {
            goes_on = false;
            for (const Hostility& form : simpler(plan[n])) {
                Lies candidate = plan;
                candidate[n]   = form;
                if (holds(candidate)) {
                    plan    = std::move(candidate);
                    goes_on = true;
                    break;
                }
            }
        }
    }
    return plan;
}

} // namespace vestibule::sevsim::attack
