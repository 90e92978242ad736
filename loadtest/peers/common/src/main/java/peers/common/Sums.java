package peers.common;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/** The sum of amounts in a window, by slices, the oldest first. */
final class Sums {
    private static final int[] NO_SLICES = {};
    private static final double[] NO_AMOUNTS = {};

    private int[] slices = NO_SLICES;
    private double[] amounts = NO_AMOUNTS;
    private int size;

    Sums copy() {
        Sums same = new Sums();
        if (size > 0) {
            same.slices = Arrays.copyOf(slices, size);
            same.amounts = Arrays.copyOf(amounts, size);
            same.size = size;
        }
        return same;
    }

    /** Add an amount; gives the sum of the window that ends with `slice`. */
    double add(int slice, double amount) {
        forget(slice - Counts.SLICES);
        int place = size;
        while (place > 0 && slices[place - 1] >= slice) {
            place--;
        }
        if (place < size && slices[place] == slice) {
            amounts[place] += amount;
        } else {
            if (size == slices.length) {
                slices = Arrays.copyOf(slices, size + 1);
                amounts = Arrays.copyOf(amounts, size + 1);
            }
            System.arraycopy(slices, place, slices, place + 1, size - place);
            System.arraycopy(amounts, place, amounts, place + 1, size - place);
            slices[place] = slice;
            amounts[place] = amount;
            size++;
        }
        double sum = 0;
        for (int i = 0; i < size && slices[i] <= slice; i++) {
            sum += amounts[i];
        }
        return sum;
    }

    private void forget(int oldest) {
        int gone = 0;
        while (gone < size && slices[gone] < oldest) {
            gone++;
        }
        if (gone > 0) {
            System.arraycopy(slices, gone, slices, 0, size - gone);
            System.arraycopy(amounts, gone, amounts, 0, size - gone);
            size -= gone;
        }
    }

    void write(DataOutput out) throws IOException {
        out.writeByte(size);
        for (int i = 0; i < size; i++) {
            out.writeInt(slices[i]);
            out.writeDouble(amounts[i]);
        }
    }

    void read(DataInput in) throws IOException {
        size = in.readUnsignedByte();
        slices = size == 0 ? NO_SLICES : new int[size];
        amounts = size == 0 ? NO_AMOUNTS : new double[size];
        for (int i = 0; i < size; i++) {
            slices[i] = in.readInt();
            amounts[i] = in.readDouble();
        }
    }
}
