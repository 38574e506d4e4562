#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program with arrays of three and four dimensions: layouts, channels that are summed, groups, padding,
strides and dilations.

    program_channels_test.py /path/to/convgpu [options of unittest]
"""

import itertools
import os
import sys
import unittest

import program_test
from program_test import noise, npy, parse_npy, png, wav


def nested(shape, values):
    """The values, in C order, as lists of lists."""
    if len(shape) == 1:
        return list(values)
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(shape[1:], values[i * step:(i + 1) * step]) for i in range(shape[0])]


def flat(lists):
    return [x for row in lists for x in flat(row)] if isinstance(lists, list) else [lists]


def channels_last(shape, values):
    """Shape and values of N x C x H x W as N x H x W x C; without N in three dimensions."""
    *batch, c, h, w = shape
    moved = []
    for at in range(0, len(values), c * h * w):
        image = values[at:at + c * h * w]
        moved += [image[k * h * w + i] for i in range(h * w) for k in range(c)]
    return (*batch, h, w, c), moved


def layer(x, h, groups, padding=(0, 0, 0, 0), wrap=False, stride=(1, 1), dilation=(1, 1)):
    """The definition of a layer: correlation, valid, of lists N x C x H x W and F x C/groups x R x S."""
    top, bottom, left, right = padding
    reach = [(taps - 1) * d + 1 for taps, d in zip((len(h[0][0]), len(h[0][0][0])), dilation)]
    rows, cols = len(x[0][0]), len(x[0][0][0])
    per_group = len(h) // groups

    def sample(plane, i, j):
        if wrap:
            return plane[i % rows][j % cols]
        return plane[i][j] if 0 <= i < rows and 0 <= j < cols else 0

    def output(image, f, i, j):
        first = f // per_group * len(h[0])
        return sum(tap * sample(image[first + c], i + k * dilation[0] - top, j + l * dilation[1] - left)
                   for c, taps in enumerate(h[f]) for k, row in enumerate(taps)
                   for l, tap in enumerate(row))

    return [[[[output(image, f, i, j)
               for j in range(0, cols + left + right - reach[1] + 1, stride[1])]
              for i in range(0, rows + top + bottom - reach[0] + 1, stride[0])]
             for f in range(len(h))] for image in x]


class ChannelsTest(program_test.ProgramTest):
    def store_array(self, name, shape, values, code="f4"):
        self.store(name, npy(code, shape, values))

    def result(self, line, output="out.npy"):
        """Shape and numbers of the .npy file that the program writes."""
        self.runs(f"{line} -o {output}")
        _, shape, values = parse_npy(self.load(output))
        return shape, list(values)


class Reading(ChannelsTest):
    values = [v - 50 for v in noise(2 * 3 * 4 * 5, 100)]

    def test_what_is_written_is_as_it_was_read(self):
        for code, shape in itertools.product(("i2", "f4", "u4", "c8"),
                                             ((3, 4, 5), (2, 3, 4, 5), (1, 4, 5), (1, 1, 4, 5),
                                              (2, 1, 1, 1), (24, 5, 1))):
            count = 1
            for size in shape:
                count *= size
            values = [abs(v) for v in self.values[:count] * (2 if code == "c8" else 1)]
            self.store_array("a.npy", shape, values, code)
            for layout in ("", "--layout channels_first", "--layout channels_last", "--layout nhwc",
                           "--layout NCHW"):
                self.assertEqual(self.result(f"convolve a.npy delta {layout}"), (shape, values))

    def test_orders_of_bytes_and_axes(self):
        shape, count = (2, 3, 4, 5), 120
        place = {key: i for i, key in enumerate(itertools.product(*map(range, shape)))}
        columns_first = [self.values[place[key[::-1]]]
                         for key in itertools.product(*map(range, shape[::-1]))]
        for order in "<>":
            self.store("a.npy", npy("i4", shape, columns_first, order, fortran=True))
            self.assertEqual(self.result("convolve a.npy delta"), (shape, self.values[:count]))

    def test_pictures_are_read_again(self):
        colours = noise(3 * 7 * 5, 256)
        self.store("a.png", png(7, 3, colours))
        self.assertEqual(self.result("convolve a.png delta", "rgb.npy"), ((5, 7, 3), colours))
        self.assertEqual(self.result("convolve rgb.npy delta --layout channels_last"),
                         ((5, 7, 3), colours))
        once = self.result("correlate a.png [[1,2],[3,4]] --mode full --border zero", "b.npy")
        again = self.result("correlate rgb.npy [[1,2],[3,4]] --layout nhwc")
        self.assertEqual(once, again)
        first, _ = self.result("convolve a.png delta --layout nchw", "first.npy")
        self.assertEqual(first, (3, 5, 7))
        for name, layout in (("rgb.npy", "nhwc"), ("first.npy", "nchw")):
            self.runs(f"convolve {name} delta --layout {layout} -o b.png")
            self.assertEqual(self.numbers("convolve b.png delta"),
                             self.numbers("convolve a.png delta"))

    def test_text_has_a_plane_after_the_other(self):
        self.store_array("a.npy", (2, 2, 1, 2), range(8))
        self.prints("convolve a.npy [1]", "0 1\n\n2 3\n\n4 5\n\n6 7")
        self.prints("convolve a.npy [1] --layout channels_last", "0\n2\n\n1\n3\n\n4\n6\n\n5\n7")
        self.store("c.txt", b"1 2\n3 4\n\n5 6\n7 8\n")
        self.assertEqual(self.result("convolve c.txt [[1]]"), ((2, 2, 2), [1, 2, 3, 4, 5, 6, 7, 8]))

    def test_other_formats(self):
        self.store_array("a.npy", (2, 1, 2, 2), range(8), "u1")
        self.refused("convolve a.npy delta", "2 x 1 x 2 x 2", "four dimensions", output="a.png")
        self.refused("convolve a.npy delta", "four dimensions", output="a.pgm")
        self.store_array("a.npy", (2, 2, 2), range(8), "u1")
        self.refused("convolve a.npy delta", "2 planes", "alpha", output="a.png")


class Planes(ChannelsTest):
    """A filter of two dimensions filters each plane by itself."""

    def test_each_by_itself(self):
        x = noise(2 * 3 * 4 * 5, 100)
        for shape in ((2, 3, 4, 5), (6, 4, 5)):
            images = nested((6, 1, 4, 5), x)
            expected = flat(layer(images, [[[[1, 2], [3, 4], [5, 6]]]], 1))
            self.store_array("a.npy", shape, x)
            line = "correlate a.npy [[1,2],[3,4],[5,6]] --mode valid"
            self.assertEqual(self.result(line), ((*shape[:-2], 2, 4), expected))
            last, moved = channels_last(shape, x)
            self.store_array("a.npy", last, moved)
            self.assertEqual(self.result(line + " --layout channels_last"),
                             channels_last((*shape[:-2], 2, 4), expected))

    def test_groups_are_of_channels(self):
        self.store_array("a.npy", (2, 4, 5), range(40))
        self.refused("convolve a.npy [[1,2]] --groups 2", "--groups: 2", "1 x 2", "each plane")
        self.refused("convolve a.npy gaussian:1 --groups 2", "--groups: 2")


class Channels(ChannelsTest):
    def check(self, batch, channels, filters, groups, size, taps, options="", padding=(0, 0, 0, 0),
              wrap=False, stride=(1, 1), dilation=(1, 1)):
        """Against the definition, in both layouts, and with three dimensions where they say as much."""
        (rows, cols), (r, s), per = size, taps, channels // groups
        x = [v - 50 for v in noise(batch * channels * rows * cols, 100)]
        h = [v - 5 for v in noise(filters * per * r * s, 11)]
        expected = layer(nested((batch, channels, rows, cols), x), nested((filters, per, r, s), h),
                         groups, padding, wrap, stride, dilation)
        out = (filters, len(expected[0][0]), len(expected[0][0][0]))
        values = flat(expected)
        shapes_of_filter = [(filters, per, r, s)]
        if filters == 1 and groups == 1:
            shapes_of_filter.append((per, r, s))
        if per == 1:
            shapes_of_filter.append((filters, r, s))
        shapes_of_input = [((batch, channels, rows, cols), (batch, *out))]
        if batch == 1:
            shapes_of_input.append(((channels, rows, cols), out))
            if channels == 1:
                shapes_of_input.append(((rows, cols), out if filters > 1 else out[1:]))
        for h_shape, (x_shape, y_shape) in itertools.product(shapes_of_filter, shapes_of_input):
            self.store_array("h.npy", h_shape, h)
            line = f"correlate x.npy h.npy --groups {groups} {options} "
            self.store_array("x.npy", x_shape, x)
            self.assertEqual(self.result(line), (y_shape, values))
            self.assertNotIn("WRONG", self.runs(
                line.replace("correlate", "verify --correlate", 1) + "--device cpu"))
            if len(x_shape) > 2:
                self.store_array("x.npy", *channels_last(x_shape, x))
            if len(y_shape) > 2:
                y_shape, last = channels_last(y_shape, values)
            else:
                last = values
            self.assertEqual(self.result(line + "--layout channels_last"), (y_shape, last))

    def test_layers(self):
        self.check(2, 3, 4, 1, (6, 5), (3, 2), "--mode valid")
        self.check(1, 3, 1, 1, (6, 5), (3, 3), "--mode valid")
        self.check(2, 1, 6, 1, (7, 7), (5, 5), "--mode valid")
        self.check(1, 1, 6, 1, (7, 7), (5, 5), "--mode valid")
        self.check(1, 1, 1, 1, (4, 5), (2, 2), "--mode valid")

    def test_groups(self):
        self.check(2, 4, 6, 2, (5, 6), (2, 3), "--mode valid")
        self.check(1, 3, 3, 3, (5, 6), (3, 3), "--mode valid")
        self.check(1, 3, 6, 3, (5, 6), (3, 3), "--mode valid")

    def test_padding(self):
        self.check(1, 2, 3, 1, (5, 4), (3, 3), "--mode valid --padding 1", (1, 1, 1, 1))
        self.check(1, 2, 3, 1, (5, 4), (3, 3), "--mode valid --padding 1,2", (1, 1, 2, 2))
        self.check(1, 2, 3, 1, (5, 4), (3, 3), "--mode valid --padding 0,3,2,1", (0, 3, 2, 1))
        self.check(1, 2, 1, 1, (5, 4), (7, 3), "--mode valid --padding 1,2,0,0 --border wrap",
                   (1, 2, 0, 0), wrap=True)

    def test_strides_and_dilations(self):
        self.check(2, 3, 4, 1, (7, 8), (3, 2), "--mode valid --stride 2", stride=(2, 2))
        self.check(1, 3, 4, 1, (7, 8), (3, 2), "--mode valid --stride 1,3", stride=(1, 3))
        self.check(1, 4, 4, 2, (7, 8), (3, 2), "--mode valid --dilation 2", dilation=(2, 2))
        self.check(1, 2, 2, 2, (9, 8), (3, 3), "--mode valid --padding 1 --stride 3,2 --dilation 2,1",
                   (1, 1, 1, 1), stride=(3, 2), dilation=(2, 1))
        self.prints("correlate [1,2,3,4,5] [1,1] --mode valid --stride 2", "3 7")
        self.prints("correlate [1,2,3,4,5] [1,1] --mode valid --dilation 3", "5 7")

    def test_rows_with_filters_of_their_own(self):
        self.check(1, 9, 9, 9, (1, 12), (1, 3), "--mode same --border wrap", (0, 0, 1, 1), wrap=True)

    def test_types(self):
        self.store_array("x.npy", (2, 1, 2), [200, 100, 100, 50], "u1")
        self.store_array("h.npy", (2, 2, 1, 1), [1, 1, 1, -1], "i4")
        self.assertEqual(self.result("convolve x.npy h.npy"), ((2, 1, 2), [255, 150, 100, 50]))
        self.assertEqual(self.result("convolve x.npy h.npy --out-type f32"),
                         ((2, 1, 2), [300, 150, 100, 50]))
        self.store_array("h.npy", (1, 2, 1, 1), [0, 1, 1, 0], "c8")
        self.prints("convolve x.npy h.npy", "100+200j 50+100j")

    def test_pictures(self):
        self.store("a.png", png(2, 3, [10, 20, 30, 40, 50, 60]))
        self.store_array("grey.npy", (3, 1, 1), [1, 2, 3], "i4")
        self.store_array("swap.npy", (3, 3, 1, 1), [0, 0, 1, 0, 1, 0, 1, 0, 0], "i4")
        self.store_array("two.npy", (2, 3, 1, 1), [1, 0, 0, 0, 1, 0], "i4")
        self.prints("convolve a.png grey.npy", "140 255")
        self.prints("convolve a.png swap.npy", "30 60\n\n20 50\n\n10 40")
        self.runs("convolve a.png swap.npy -o b.png")
        self.prints("convolve b.png delta", "30 60\n\n20 50\n\n10 40")
        self.assertEqual(self.result("convolve a.png two.npy"), ((1, 2, 2), [10, 20, 40, 50]))
        self.assertEqual(self.result("convolve a.png two.npy --layout nchw"),
                         ((2, 1, 2), [10, 40, 20, 50]))
        self.refused("convolve a.png two.npy", "alpha", output="b.png")
        self.store("b.png", png(1, 4, [1, 2, 3, 255]))
        self.store_array("rgba.npy", (4, 1, 1), [1, 1, 1, 1])
        self.refused("convolve b.png rgba.npy", "filter: 4 x 1 x 1", "alpha")
        self.refused("convolve a.png b.png", "filter b.png: 4 planes")

    def test_sounds_and_signals(self):
        self.store("a.wav", wav([1, -100, 2, -200, 3, -300], channels=2))
        self.store_array("mid.npy", (1, 2, 1, 2), [1, 10, 0, 1], "i4")
        self.prints("correlate a.wav mid.npy --mode valid", "-179 -268")
        self.runs("correlate a.wav mid.npy -o mid.wav")
        self.prints("convolve mid.wav [1]", "-90 -179 -268 3")
        self.store_array("bank.npy", (2, 1, 3), [1, 2, 3, 0, 1, 0], "i4")
        self.prints("correlate [1,2,3,4] bank.npy --mode same", "8 14 20 11\n\n1 2 3 4")
        self.assertEqual(self.result("correlate [1,2,3,4] bank.npy --mode same"),
                         ((2, 1, 4), [8, 14, 20, 11, 1, 2, 3, 4]))
        self.store("bank.txt", b"1 2 3\n\n0 1 0\n")
        self.prints("correlate [1,2,3,4] bank.txt --mode same", "8 14 20 11\n\n1 2 3 4")
        self.prints("correlate [1,2,3] [1,2,3] --mode valid --padding 1", "8 14 8")
        self.prints("correlate [1,2,3] [1,2,3] --mode valid --padding 0,1", "14 8")


class Mistakes(ChannelsTest):
    def setUp(self):
        super().setUp()
        self.store_array("x.npy", (3, 28, 20), noise(3 * 28 * 20, 9))
        self.store_array("x2.npy", (2, 4, 6, 6), noise(2 * 4 * 36, 9))
        self.store_array("h.npy", (6, 3, 5, 5), noise(6 * 3 * 25, 9))

    def test_shapes_that_disagree(self):
        self.refused("correlate x2.npy h.npy", "filter: 6 x 3 x 5 x 5", "3 channels", "2 x 4 x 6 x 6",
                     "4 channels", "filters x 4 x rows x columns")
        self.refused("correlate x2.npy h.npy --groups 2", "6 x 3 x 5 x 5", "2 groups", "filters x 2 x")
        self.store_array("h3.npy", (5, 3, 3), range(45))
        self.refused("correlate x2.npy h3.npy", "filter: 5 x 3 x 3 with 5 channels",
                     "filters x 4 x")
        self.refused("correlate x2.npy h3.npy --groups 2", "filter: 5 x 3 x 3", "2 groups")
        self.store_array("two.npy", (2, 3, 3), range(18))
        self.refused("correlate x2.npy two.npy --groups 2", "filter: 2 x 3 x 3", "2 groups",
                     "filters x 2 x")
        self.refused("correlate x2.npy h3.npy --groups 4", "groups", "4", "5 filters")
        self.refused("correlate [1,2] h.npy", "filter", "5 rows for a signal")

    def test_layouts_that_are_mixed_up(self):
        self.store_array("last.npy", (28, 20, 3), noise(3 * 28 * 20, 9))
        self.refused("correlate last.npy h.npy", "6 x 3 x 5 x 5", "28 x 20 x 3", "28 channels",
                     "--layout channels_last")
        self.refused("correlate x.npy h.npy --layout channels_last", "6 x 3 x 5 x 5", "3 x 28 x 20",
                     "20 channels", "--layout channels_first")
        self.assertEqual(self.result("correlate last.npy h.npy --layout nhwc --mode valid")[0],
                         (24, 16, 6))

    def test_options(self):
        for option, bad in (("layout", "chw"), ("groups", "two"), ("groups", "1,1"), ("groups", "0"),
                            ("groups", "-3"), ("groups", "2"), ("groups", "1.5"),
                            ("groups", "99999999999999999999"), ("padding", "1,2,3"),
                            ("padding", "one"), ("padding", "1,"), ("padding", ",1"),
                            ("padding", "1,2,3,4,5"), ("padding", "-1"),
                            ("padding", "9223372036854775807"), ("padding", "99999999999999999999"),
                            ("stride", "0"), ("stride", "-1"), ("stride", "1,2,3"),
                            ("stride", "1.5"), ("dilation", "0"), ("dilation", "two"),
                            ("dilation", "9223372036854775807")):
            self.refused(f"correlate x.npy h.npy --mode valid --{option} {bad}", option, bad)
        for option in ("layout", "groups", "padding", "stride", "dilation"):
            self.refused(f"correlate x.npy h.npy --{option} ''", option)
        self.refused("correlate x.npy h.npy --groups 2", "--groups: 2", "3 x 28 x 20", "3 channels")
        self.refused("correlate x.npy h.npy --padding 1", "padding.top: 1", "full", "valid")
        self.refused("correlate x.npy h.npy --mode same --padding 0,1", "padding.left: 1", "same")
        self.refused("correlate [1,2] [1] --mode valid --padding 1,1,1,1", "--padding", "signal")
        self.store_array("tall.npy", (6, 3, 33, 5), noise(6 * 3 * 33 * 5, 9))
        self.refused("correlate x.npy tall.npy --mode valid --padding 2,2,0,0", "filter.rows: 33", "28",
                     "padding's 4")

    def test_headers_that_lie(self):
        for shape in ((1, 2, 3, 4, 5), (0, 3, 3), (3, 0, 3), (2, 0, 3, 3), (0, 3, 3, 3), (3, 3, 0),
                      (2**31, 2**31, 2), (2**21, 2**21, 2**21, 2), (1, 1, 1, 2**40), (4, 4, 4)):
            self.store_array("lie.npy", shape, [0.0] * 24)
            for line in ("convolve lie.npy delta", "convolve lie.npy delta --layout nhwc",
                         "convolve lie.npy h.npy", "convolve x.npy lie.npy"):
                self.refused(line)


if __name__ == "__main__":
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
