/** A dataset as its authors publish it: one archive that holds one folder. */
export interface Archive {
  /** What scenarios and commands call the dataset. */
  readonly name: string;
  /** The folder in the archive, which readers look for. */
  readonly folder: string;
  /** Official address. */
  readonly url: string;
  /** Size of the archive. */
  readonly bytes: number;
  /** MD5 of the archive: published by the CIFAR authors, pinned by public loaders for the others. */
  readonly md5: string;
  /** Files in it that no reader wants. */
  readonly unused?: RegExp;
  /** Whom to cite. */
  readonly source: string;
}

export const CIFAR_10: Archive = {
  name: "cifar-10",
  folder: "cifar-10-batches-bin",
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  md5: "c32a1d4ab5d03f1284b67883e8d87530",
  source: "A. Krizhevsky, technical report, University of Toronto, 2009",
};

export const CIFAR_100: Archive = {
  name: "cifar-100",
  folder: "cifar-100-binary",
  url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
  bytes: 168_513_733,
  md5: "03b5dce01913d631647c71ecec9e9cb8",
  source: "A. Krizhevsky, technical report, University of Toronto, 2009",
};

export const STL_10: Archive = {
  name: "stl-10",
  folder: "stl10_binary",
  url: "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
  bytes: 2_640_397_119,
  md5: "91f7769df0f17e558f3565bffb0c7dfb",
  unused: /\/unlabeled_X\.bin$/, // 2.8 GB
  source: "A. Coates, H. Lee and A. Y. Ng, AISTATS 2011",
};

export const TINY_IMAGENET: Archive = {
  name: "tiny-imagenet",
  folder: "tiny-imagenet-200",
  url: "https://cs231n.stanford.edu/tiny-imagenet-200.zip",
  bytes: 248_100_043,
  md5: "90528d7ca1a48142e341f4ef8d21d0de",
  unused: /^tiny-imagenet-200\/test\//, // 10,000 pictures without labels
  source: "Y. Le and X. Yang, report, Stanford CS231n, 2015",
};
